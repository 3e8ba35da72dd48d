"""A warehouse's pod without Kubernetes: its gateway and its Spark as processes, and a client of the gateway."""

from __future__ import annotations

import base64
import secrets
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pyarrow as pa

from icefield_cluster import jars, processes
from icefield_crds.wire.gateway import EngineName, StatementRequest
from tests.catalog import RunningCatalog, Site

TOKEN = "token-of-the-gateway"
CALL_TIMEOUT = 120.0


@dataclass
class Program:
    """A program that a test starts, stops and kills."""

    module: str
    folder: Path
    environment: dict[str, str] = field(repr=False)
    process: processes.Process | None = None

    @property
    def log(self) -> str:
        """All its output."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @property
    def rss_bytes(self) -> int:
        """The memory that it and the processes that it started have now."""
        assert self.process
        process = psutil.Process(self.process.pid)
        return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))

    def start(self) -> None:
        """Start it, with a niceness that leaves the machine to others."""
        argv = ["nice", "-n", "5", sys.executable, "-m", self.module]
        self.process = processes.spawn(self.module, argv, log=self.folder / "log", env=self.environment)

    def children(self, module: str) -> list[psutil.Process]:
        """Return the processes that it started with a module."""
        assert self.process
        started = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in started if module in each.cmdline()]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        psutil.Process(self.process.pid).send_signal(number)

    def stop(self, grace: float = 0) -> None:
        """End it; at once when there is no grace."""
        if self.process:
            processes.stop_pids([self.process.pid], grace=grace)
            self.process = None

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait for it to be ready."""
        give_up = time.monotonic() + seconds
        while not is_ready():
            if time.monotonic() > give_up:
                raise TimeoutError(self.log[-5000:])
            time.sleep(0.1)


class Pod:
    """Gateway and Spark of one warehouse, and calls of the gateway."""

    def __init__(self, folder: Path, catalog: RunningCatalog, site: Site, **gateway: str) -> None:
        """Prepare both; `gateway` is more of the gateway's environment."""
        self.site = site
        port, spark_port = _free_port(), _free_port()
        common = {**site.environment, "ICEFIELD_WORKSPACE": site.slug, **catalog.environment(site.slug)}
        for name in ("gateway", "spark"):
            (folder / name / "spill").mkdir(parents=True)
        self.gateway = Program(
            "icefield_engines.warehouse",
            folder / "gateway",
            {
                **common,
                "ICEFIELD_GATEWAY_TOKEN": TOKEN,
                "ICEFIELD_GATEWAY_HOST": "127.0.0.1",
                "ICEFIELD_GATEWAY_PORT": str(port),
                "ICEFIELD_SPARK_REMOTE": f"sc://127.0.0.1:{spark_port}",
                "ICEFIELD_SPILL_DIRECTORY": str(folder / "gateway" / "spill"),
                "ICEFIELD_DRAIN_SECONDS": "2",
                **gateway,
            },
        )
        self.spark = Program(
            "icefield_engines.spark_connect",
            folder / "spark",
            {
                **common,
                "ICEFIELD_SPARK_PORT": str(spark_port),
                "ICEFIELD_JARS": str(jars.ensure("warehouse", folder / "jars.log")),
                "ICEFIELD_SPILL_DIRECTORY": str(folder / "spark" / "spill"),
                "ICEFIELD_MEMORY_LIMIT_BYTES": str(1600 * 1024 * 1024),
            },
        )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=CALL_TIMEOUT,
            trust_env=False,
        )
        self.store = boto3.client(
            "s3",
            endpoint_url=site.endpoint,
            region_name="us-east-1",
            aws_access_key_id=site.access_key_id,
            aws_secret_access_key=site.secret_access_key,
        )

    def start(self, *, spark: bool) -> None:
        """Start the gateway, and Spark when it is wanted, and wait for what was started."""
        if spark:
            self.spark.start()
        self.gateway.start()
        self.gateway.wait_until(self._is_up, 60)
        if spark:
            self.wait_for_spark()

    def stop(self) -> None:
        """Kill both."""
        self.gateway.stop()
        self.spark.stop()
        self.client.close()

    def wait_for_spark(self) -> None:
        """Wait until statements that write are served."""
        self.spark.wait_until(lambda: bool(self.status()["spark"]), 180)

    def status(self) -> dict[str, Any]:
        """The status that the gateway reports."""
        answer: dict[str, Any] = self.client.get("/status").raise_for_status().json()
        return answer

    def begin(self, sql: str, *, engine: str = "duckdb", wait: float = 0, statement: str = "", **request: Any) -> Any:
        """Start a statement, and wait up to `wait` seconds for it; return its state."""
        statement = statement or new_id()
        default = StatementRequest(
            EngineName(engine),
            sql,
            is_write=engine == "spark",
            result_key=f"{self.site.environment['ICEFIELD_PREFIX']}/results/{statement}.arrow",
            inline_rows=1000,
            inline_bytes=4_000_000,
        )
        body = {**default.to_json(), **request}
        return self.client.put(f"/statements/{statement}", params={"wait": wait}, json=body).raise_for_status().json()

    def wait(self, state: dict[str, Any], seconds: float = 60) -> Any:
        """Wait for the end of a statement; return its state."""
        path = f"/statements/{state['id']}"
        return self.client.get(path, params={"wait": min(seconds, 60)}).raise_for_status().json()

    def run(self, sql: str, **request: Any) -> Any:
        """Run a statement to its end; return its state."""
        state = self.begin(sql, wait=60, **request)
        give_up = time.monotonic() + CALL_TIMEOUT
        while state["status"] in ("pending", "running"):
            assert time.monotonic() < give_up, f"{sql}: {state}"
            state = self.wait(state)
        return state

    def rows(self, sql: str, **request: Any) -> pa.Table:
        """Run a statement that succeeds; return what it returns, as it is stored in the object store."""
        state = self.run(sql, **request)
        assert state["status"] == "succeeded", f"{sql}: {state['error']}"
        return self.result(state)

    def write(self, sql: str) -> Any:
        """Run a statement on Spark that succeeds; return its state."""
        state = self.run(sql, engine="spark")
        assert state["status"] == "succeeded", f"{sql}: {state['error']}"
        return state

    def error(self, sql: str, **request: Any) -> dict[str, str]:
        """Run a statement that fails; return why."""
        state = self.run(sql, **request)
        assert state["status"] == "failed", f"{sql}: {state}"
        error: dict[str, str] = state["error"]
        return error

    def result(self, state: dict[str, Any]) -> pa.Table:
        """Return the result of a statement, as it is stored in the object store."""
        return pa.ipc.open_stream(self.stored(state["result"]["key"])).read_all()

    def stored(self, key: str) -> bytes:
        """Return an object of the workspace's bucket."""
        content: bytes = self.store.get_object(Bucket=self.site.bucket, Key=key)["Body"].read()
        return content

    def _is_up(self) -> bool:
        try:
            return self.client.get("/readyz").is_success
        except httpx.HTTPError:
            return False


def inline(state: dict[str, Any]) -> pa.Table:
    """Return the first rows that came with a statement's state."""
    return pa.ipc.open_stream(base64.b64decode(state["inline"])).read_all()


def new_id() -> str:
    """Return an id for a statement."""
    return f"stmt_{uuid.uuid4().hex}"


def new_name() -> str:
    """Return a name for a table or a workspace."""
    return f"t{secrets.token_hex(4)}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
