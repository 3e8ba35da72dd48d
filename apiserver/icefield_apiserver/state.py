"""What the lifespan made, as dependencies: a route names what it needs and gets it typed."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from .db import Database
from .identity.login import Logins
from .identity.passwords import Passwords
from .kube import Cluster
from .kube.secrets import WorkspaceSecrets
from .settings import Settings


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.db)


def _cluster(request: Request) -> Cluster:
    return cast(Cluster, request.app.state.cluster)


def _logins(request: Request) -> Logins:
    return cast(Logins, request.app.state.logins)


def _passwords(request: Request) -> Passwords:
    return cast(Passwords, request.app.state.passwords)


def _secrets(request: Request) -> WorkspaceSecrets:
    return cast(WorkspaceSecrets, request.app.state.secrets)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


CurrentDatabase = Annotated[Database, Depends(_database)]
CurrentCluster = Annotated[Cluster, Depends(_cluster)]
CurrentLogins = Annotated[Logins, Depends(_logins)]
CurrentPasswords = Annotated[Passwords, Depends(_passwords)]
CurrentSecrets = Annotated[WorkspaceSecrets, Depends(_secrets)]
CurrentSettings = Annotated[Settings, Depends(_settings)]
