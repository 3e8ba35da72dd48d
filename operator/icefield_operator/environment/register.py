"""Registers environments: what waits for one is enqueued when the pod that builds it changes."""

from __future__ import annotations

from icefield_operator.cluster_cache import Kind
from icefield_operator.platform import Platform

from .build import EnvironmentSettings
from .environments import Environments


def register(platform: Platform) -> None:
    """Plug environments into the controllers."""
    platform.controllers.relate(Kind.POD, environments_of(platform).waiting_for)


def environments_of(platform: Platform) -> Environments:
    """Return the platform's environments."""
    settings = platform.settings
    used = EnvironmentSettings(settings.runtime_image, settings.image_pull_policy, settings.package_index)
    return platform.singleton(
        Environments,
        lambda: Environments(platform.cluster, platform.controllers.cache, lambda: platform.storage.store, used),
    )
