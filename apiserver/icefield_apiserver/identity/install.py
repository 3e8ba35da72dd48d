"""Builds the services of identity, before any feature is installed."""

from __future__ import annotations

from icefield_apiserver.core.feature import Core, Services

from .authentication import Authenticator
from .login import Logins
from .passwords import Passwords
from .run_tokens import RunTokens
from .session_tokens import SessionTokens
from .users import ensure_first_administrator


async def install(core: Core, services: Services) -> None:
    """Provide authentication, log-ins and passwords, and create the first administrator if there is none."""
    settings = core.settings
    sessions = SessionTokens(settings.session_key.get_secret_value(), settings.session_lifetime_seconds)
    passwords = Passwords()
    services.provide(
        passwords,
        Logins(core.db, sessions, passwords, settings.session_renewable_seconds),
        Authenticator(
            core.db,
            sessions,
            RunTokens.from_file(settings.run_token_public_key_file),
            core.cluster.workspace_directory,
            core.cluster.runs.store,
        ),
    )
    if settings.admin_email and settings.admin_password:
        await ensure_first_administrator(
            core.db, passwords, settings.admin_email, settings.admin_password.get_secret_value()
        )
