"""The kinds that the operator reconciles: each is a folder with a module `register`.

`register(platform)` plugs the kind in: what it watches, which events of other objects concern it, its reconcile, and
what runs beside the queue. Adding a kind is adding its folder. The order in which kinds are registered means nothing:
what several of them share is made by the first that asks, and a resync goes by the order of the watched kinds.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from .platform import Platform


def all_kinds() -> list[str]:
    """Return the names of all folders with a module `register`."""
    operator = import_module(__package__)
    folders = (module.name for module in pkgutil.iter_modules(operator.__path__) if module.ispkg)
    return [folder for folder in folders if find_spec(f"{__package__}.{folder}.register")]


def register_kinds(platform: Platform, kinds: Iterable[str]) -> None:
    """Plug kinds into the platform's controllers."""
    for kind in kinds:
        import_module(f"{__package__}.{kind}.register").register(platform)
