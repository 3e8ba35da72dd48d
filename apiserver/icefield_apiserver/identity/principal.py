"""The caller of a request.

A `Caller` has a valid token; a `Principal` is a caller inside one workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from icefield_apiserver.core.catalog import Catalogs, IcebergCatalog, granted_catalog
from icefield_apiserver.core.catalog.grants import EVERYTHING, DataAccess, access_of
from icefield_apiserver.core.kube.impersonation import Impersonation
from icefield_crds import Role, Workspace

from .session_tokens import Session

CallerKind = Literal["user", "api_key", "run"]

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.ADMIN))}


@dataclass(frozen=True)
class Principal:
    """A caller inside one workspace.

    Attributes:
        person: e-mail address, or `run:<name>` for a run's own token.
        kind: kind of the token.
        workspace: slug of the workspace in which the request acts.
        role: the caller's role there.
        is_platform_admin: whether the caller manages workspaces and users; true only for log-ins.
        run_uid: metadata.uid of the Run, for a run's token.
        task: key of the task, for the token of one task.
        attempt: number of the task's attempt, from 0.
        is_sandbox: whether it is the one Polars workload of its run.
        subject: the person whose grants count: of a run, who started it; empty where that is not known; None for an
            admin, who may everything.
        access: what that person may do with databases and tables.
    """

    person: str
    kind: CallerKind
    workspace: str
    role: Role
    is_platform_admin: bool = False
    run_uid: str | None = None
    task: str | None = None
    attempt: int = 0
    is_sandbox: bool = False
    subject: str | None = None
    access: DataAccess = EVERYTHING

    @property
    def impersonation(self) -> Impersonation:
        """The Kubernetes user that the caller's writes are made as."""
        return Impersonation.of_member(self.workspace, self.role, self.person)

    def catalog(self, catalogs: Catalogs) -> IcebergCatalog:
        """Return the workspace's catalog as the caller may use it."""
        return granted_catalog(catalogs, self.workspace, self.access)

    def may(self, role: Role) -> bool:
        """Return whether the caller has this role in the workspace, or a higher one."""
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True)
class Caller:
    """A caller with a valid token, and the workspace in which the request acts, if any.

    Attributes:
        user_id: id of the user; None for a run's own token.
        name: display name.
        workspace: where the request acts; None for a user who is a member of no workspace.
        session: claims of the token, for a log-in.
        is_catalog_only: whether the token is valid for the catalog (/iceberg) only.
        task: key of the task, for the token of one task.
        attempt: number of the task's attempt, from 0.
        started_by: of a run's token, the person who started the run, if known.
        started_by_admin: whether that person is an admin of the workspace.
    """

    person: str
    kind: CallerKind
    name: str = ""
    user_id: str | None = None
    is_platform_admin: bool = False
    run_uid: str | None = None
    workspace: Workspace | None = None
    role: Role | None = None
    session: Session | None = None
    is_catalog_only: bool = False
    task: str | None = None
    attempt: int = 0
    started_by: str = ""
    started_by_admin: bool = False

    @property
    def subject(self) -> str | None:
        """The person whose grants count; empty where that is not known, None for an admin."""
        if self.kind == "run":
            return None if self.started_by_admin else self.started_by
        return None if self.role is Role.ADMIN else self.person

    @property
    def principal(self) -> Principal | None:
        """The caller in the workspace; None when there is none."""
        if self.workspace is None or self.role is None:
            return None
        return Principal(
            person=self.person,
            kind=self.kind,
            workspace=self.workspace.metadata.name,
            role=self.role,
            is_platform_admin=self.is_platform_admin,
            run_uid=self.run_uid,
            task=self.task,
            attempt=self.attempt,
            is_sandbox=self.is_catalog_only,
            subject=self.subject,
            access=access_of(self.workspace, self.subject),
        )
