"""Trino, a server of its own in a folder that is removed; it needs the unpacked archive and a JDK of its version.

`TRINO_HOME` is the folder of the unpacked archive (io.trino:trino-server:tar.gz), `TRINO_JAVA_HOME` the JDK.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from . import statements
from .place import DATABASE, Place

START_SECONDS = 180
CONFIG = """\
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
query.max-memory=256MB
query.max-memory-per-node=256MB
"""
JVM = """\
-server
-Xmx1G
-XX:+ExitOnOutOfMemoryError
-Djavax.net.ssl.trustStore={trust_store}
-Djavax.net.ssl.trustStoreType=PKCS12
"""
CATALOG = """\
connector.name=iceberg
iceberg.catalog.type=rest
iceberg.rest-catalog.uri={uri}
iceberg.rest-catalog.warehouse={workspace}
iceberg.rest-catalog.security=OAUTH2
iceberg.rest-catalog.oauth2.token=${{ENV:POLNOR_TOKEN}}
iceberg.rest-catalog.nested-namespace-enabled=true
fs.native-s3.enabled=true
s3.endpoint={endpoint}
s3.region={region}
s3.path-style-access=true
"""
SESSIONS = "iceberg.rest-catalog.vended-credentials-enabled=true\n"
OWN_KEYS = """\
iceberg.rest-catalog.vended-credentials-enabled=false
s3.security-mapping.enabled=true
s3.security-mapping.config-file={keys}
s3.security-mapping.refresh-period=1m
"""


def version() -> str:
    """Return the version, by the name of its folder."""
    return Path(os.environ["TRINO_HOME"]).name.removeprefix("trino-server-")


def use(place: Place, table: str) -> Iterator[str]:
    """Create, write, update and read a table; yield each thing that worked."""
    with _server(place, table) as url:
        yield from statements.run(partial(_rows, url), f"lake.{DATABASE}.{table}", "(id BIGINT, name VARCHAR)")


@contextmanager
def _server(place: Place, table: str) -> Iterator[str]:
    """Run Trino for the duration of the context; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    etc = _configuration(place, f"{table}_keys", port)
    home = Path(os.environ["TRINO_HOME"])
    java = os.environ["TRINO_JAVA_HOME"]
    environment = os.environ | {"JAVA_HOME": java, "PATH": f"{java}/bin:{os.environ['PATH']}"}
    argv = [home / "bin" / "launcher", "run", "--etc-dir", etc, "--data-dir", place.folder / "trino-data"]
    with (place.folder / "trino.log").open("wb") as log:
        server = subprocess.Popen(argv, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(60)


def _configuration(place: Place, probe: str, port: int) -> Path:
    """Write the server's configuration, and return its folder.

    Args:
        place: where the catalog is.
        probe: a table that may be made, to see which keys loading one answers.
        port: of the server.
    """
    etc = place.folder / "trino-etc"
    (etc / "catalog").mkdir(parents=True)
    (etc / "node.properties").write_text("node.environment=outside\n")
    (etc / "config.properties").write_text(CONFIG.format(port=port))
    (etc / "jvm.config").write_text(JVM.format(trust_store=place.trust_store))
    config = place.keys_of(probe)
    catalog = CATALOG.format(
        uri=place.uri, workspace=place.workspace, endpoint=config["s3.endpoint"], region=config["s3.region"]
    )
    if "s3.session-token" in config:
        catalog += SESSIONS
    else:
        keys = etc / "keys.json"
        mapping = {"accessKey": config["s3.access-key-id"], "secretKey": config["s3.secret-access-key"]}
        keys.write_text(json.dumps({"mappings": [mapping]}))
        catalog += OWN_KEYS.format(keys=keys)
    (etc / "catalog" / "lake.properties").write_text(catalog)
    return etc


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        try:
            if not httpx.get(f"{url}/v1/info").json()["starting"]:
                return
        except (httpx.TransportError, ValueError):
            pass
        time.sleep(1)
    raise TimeoutError("Trino did not start; its log is trino.log")


def _rows(url: str, statement: str) -> list[list[Any]]:
    """Run a statement by Trino's REST API (trino.io, "Trino client REST API") and return its rows."""
    with httpx.Client(headers={"X-Trino-User": "outside"}, timeout=60) as client:
        answer = client.post(f"{url}/v1/statement", content=statement).json()
        rows = list(answer.get("data", []))
        while "nextUri" in answer:
            answer = client.get(answer["nextUri"]).json()
            rows += answer.get("data", [])
    if "error" in answer:
        raise RuntimeError(f"{statement}: {answer['error']['message']}")
    return rows
