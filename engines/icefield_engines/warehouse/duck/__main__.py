"""`python -m icefield_engines.warehouse.duck FD`: DuckDB's process; FD is a socket of the gateway that starts it."""

from __future__ import annotations

import logging
import os
import socket
import sys

from icefield_engines.warehouse.settings import DuckDBSettings, StoreSettings

from .database import Databases
from .server import prefer_to_be_killed, serve

if __name__ == "__main__":
    settings = DuckDBSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    prefer_to_be_killed()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        store = StoreSettings()
        serve(control, Databases.open(settings, store), store.url)
    # Not sys.exit: nobody waits for statements that still run.
    os._exit(0)
