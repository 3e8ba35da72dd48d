"""The caller of a request, and what the caller may do."""

from .install import install

__all__ = ["install"]
