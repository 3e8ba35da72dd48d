"""The contract of Icefield: its custom resources as typed models, the names all parts share, and their wire formats.

The models need pydantic. They are loaded on first use, so that `icefield_crds.wire` and `icefield_crds.names` can be
imported without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import *  # noqa: F403 - all of them are offered from here
else:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        models = import_module(".models", __name__)
        if name not in models.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(models, name)
