"""`python -m icefield_apiserver`: migrate the database, then serve until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging.config
from pathlib import Path
from typing import Any

import uvicorn

from .core.db.migrate import upgrade
from .core.settings import Settings
from .core.tls import renewing_context

GRACE_SECONDS = 20
"""With the seconds of draining less than the 30 s that Kubernetes gives a pod to end."""

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection (httpx: 5 s, uvicorn's own default; nginx: 60 s). A
server that closes first may do so just as a request is on its way, and a POST must not be sent again blindly."""

BACKLOG = 512
DATABASE_SECONDS = 90

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}
"""Passed to uvicorn as well: a reloaded process configures its logging again."""


def main() -> None:
    """Run the server; `--reload` restarts it whenever a source file changes."""
    parser = argparse.ArgumentParser(prog="icefield_apiserver", description="Icefield's REST API.")
    parser.add_argument("--reload", action="store_true", help="restart when a source file changes")
    arguments = parser.parse_args()
    logging.config.dictConfig(LOGGING)
    settings = Settings()
    asyncio.run(upgrade(settings.database_url.get_secret_value(), DATABASE_SECONDS))
    host, _, port = settings.bind.rpartition(":")
    uvicorn.run(
        "icefield_apiserver.app:from_environment",
        factory=True,
        host=host.strip("[]"),
        port=int(port),
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_context_factory=renewing_context if settings.tls_cert_file else None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,  # the application reads them, from ICEFIELD_TRUSTED_PROXIES only
        log_config=LOGGING,
        access_log=False,
        reload=arguments.reload,
        reload_dirs=[str(Path(__file__).parent)] if arguments.reload else None,
    )


if __name__ == "__main__":
    main()
