"""What the kinds of the operator share: each kind's `register(platform)` takes from it what its reconciler needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from .catalog.access import Catalogs
from .children import Children
from .cluster import Cluster
from .controllers import Controllers
from .logs.archiver import LogArchive
from .objectstore.access import Users
from .objectstore.store import ObjectStore
from .run_token import RunTokenSigner
from .settings import Settings

ServiceT = TypeVar("ServiceT")


class MissingServiceError(LookupError):
    """A kind was registered on a platform that lacks what its reconciler needs."""


@dataclass(frozen=True)
class Storage:
    """Where workspaces have their data."""

    store: ObjectStore
    users: Users
    catalogs: Catalogs


@dataclass
class Platform:
    """The cluster, the queue, and the services outside Kubernetes; only some kinds need the optional ones."""

    cluster: Cluster
    controllers: Controllers
    settings: Settings
    log_archive: LogArchive | None = None
    workspace_storage: Storage | None = None
    _services: dict[type, Any] = field(default_factory=dict)

    @property
    def logs(self) -> LogArchive:
        """Which logs are archived.

        Raises:
            MissingServiceError: this platform archives none.
        """
        if self.log_archive is None:
            raise MissingServiceError("this platform archives no logs")
        return self.log_archive

    @property
    def storage(self) -> Storage:
        """Where workspaces have their data.

        Raises:
            MissingServiceError: this platform has no storage.
        """
        if self.workspace_storage is None:
            raise MissingServiceError("this platform has no storage")
        return self.workspace_storage

    @cached_property
    def children(self) -> Children:
        """What workspaces own besides pods; the first that asks has it watched."""
        children = Children(self.cluster, self.controllers)
        self.controllers.serve(children.run)
        return children

    @cached_property
    def signer(self) -> RunTokenSigner:
        """What signs the tokens of runs."""
        return RunTokenSigner.from_file(self.settings.run_token_private_key_file)

    def singleton(self, service: type[ServiceT], make: Callable[[], ServiceT]) -> ServiceT:
        """Return the one instance of a service that several kinds share; the first that asks makes it."""
        if service not in self._services:
            self._services[service] = make()
        found: ServiceT = self._services[service]
        return found
