"""JSON merge patches (RFC 7386). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object after a patch: null removes a member, an object changes one (RFC 7386, section 2)."""
    kept = {name: value for name, value in target.items() if name not in patch}
    return kept | {name: _patched(target.get(name), value) for name, value in patch.items() if value is not None}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch from one JSON object to another; empty when they are equal."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value:
            continue
        patch[name] = difference(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return patch


def _patched(old: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    return merged(old if isinstance(old, Mapping) else {}, patch)
