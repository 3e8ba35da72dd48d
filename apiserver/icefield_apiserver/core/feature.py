"""The interface between features and the application: routers, provided services, and needed services.

A feature is a folder under `features`, and its `feature.py` defines one `Feature`. The application installs the
features in order and uses nothing else of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from fastapi import Request

from .catalog import Catalogs
from .db import Database
from .kube import Cluster, WatchedKind
from .kube.secrets import WorkspaceSecrets
from .objects.transfers import Bucket
from .objects.workspace_stores import WorkspaceStores
from .planning_threads import PlanningThreads
from .routes import Router
from .settings import Settings

S = TypeVar("S")

API_V1 = "/api/v1"
API_V2 = "/api/v2"
"""Prefix of the paths that only oleander's client calls."""


@dataclass(frozen=True)
class Core:
    """What the core provides to every feature.

    Attributes:
        settings: the server's settings.
        db: the database.
        cluster: Kubernetes: watch caches for reads; writes impersonate the caller.
        secrets: the Secrets that the operator writes into the workspaces' namespaces.
        catalogs: the workspaces' Iceberg catalogs.
        bucket: the platform's bucket, with the platform's own key.
        stores: the workspaces' files in the object store, with their own keys.
        planning: where statements are planned.
        closing: set when the process receives SIGTERM or SIGINT.
    """

    settings: Settings
    db: Database
    cluster: Cluster
    secrets: WorkspaceSecrets
    catalogs: Catalogs
    bucket: Bucket
    stores: WorkspaceStores
    planning: PlanningThreads
    closing: asyncio.Event


class Services:
    """The services of the installed features, by class."""

    def __init__(self) -> None:
        self._by_class: dict[type[Any], Any] = {}

    def provide(self, *services: object) -> None:
        """Make services available to the features installed later and to routes.

        Raises:
            ValueError: a service of this class was provided already.
        """
        for service in services:
            if type(service) in self._by_class:
                raise ValueError(f"{type(service).__name__} is provided twice")
            self._by_class[type(service)] = service

    def get(self, kind: type[S]) -> S:
        """Return the service of a class.

        Raises:
            LookupError: no installed feature provides it.
        """
        try:
            return cast(S, self._by_class[kind])
        except KeyError:
            raise LookupError(f"no installed feature provides {kind.__name__}") from None


@dataclass(frozen=True)
class Mount:
    """A router and the path prefix under which it is served."""

    prefix: str
    router: Router


@dataclass(frozen=True)
class Feature:
    """A feature as the application installs it.

    Attributes:
        name: the folder's name.
        mounts: its routers.
        install: builds its services from the core and the services that it needs, and provides them; resources to close
            are pushed onto the stack.
        watched: the kinds of custom resource that it watches.
        needs: names of the features whose services it uses.
    """

    name: str
    mounts: tuple[Mount, ...] = ()
    install: Callable[[Core, Services, AsyncExitStack], Awaitable[None]] | None = None
    watched: tuple[WatchedKind[Any], ...] = ()
    needs: tuple[str, ...] = ()


def check_order(features: tuple[Feature, ...]) -> None:
    """Check that each feature comes after those whose services it needs.

    Raises:
        ValueError: names the first one that does not.
    """
    installed: set[str] = set()
    for feature in features:
        if missing := [name for name in feature.needs if name not in installed]:
            raise ValueError(f"feature {feature.name} needs {', '.join(missing)} to be installed before it")
        installed.add(feature.name)


def provided(kind: type[S]) -> Callable[[Request], Awaitable[S]]:
    """Return a FastAPI dependency for the service of a class.

    Use it as `Annotated[JobService, Depends(provided(JobService))]`.
    """

    async def dependency(request: Request) -> S:
        services: Services = request.app.state.services
        return services.get(kind)

    return dependency
