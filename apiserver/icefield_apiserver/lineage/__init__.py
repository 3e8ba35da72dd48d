"""Which tables were read and written, by what, and at which snapshots."""

from .recorder import LineageRecorder

__all__ = ["LineageRecorder"]
