"""Quantities of Kubernetes, such as 500m or 2Gi."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

from kubernetes.utils import quantity

MIB = 1024 * 1024


def parse_quantity(text: str) -> Decimal:
    """Return a quantity as a number.

    Raises:
        ValueError: it is no quantity.
    """
    found: Decimal = quantity.parse_quantity(text)  # type: ignore[no-untyped-call]
    return found


def format_millis(cores: Decimal) -> str:
    """Return a number of CPU cores as a quantity of at least 1m, rounded up."""
    return f"{max(ceil(cores * 1000), 1)}m"
