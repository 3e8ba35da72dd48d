"""Prefect's server, worker and client as processes of this machine."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from tests.eventually import eventually
from tests.postgres import start_postgres

from icefield_kube.client import Manifest

from .environment import FLOWS, Environment

PORT = 4217
START_SECONDS, STOP_SECONDS = 180, 30
EXECUTE = "python -m prefect flow-run execute"
"""What the worker runs by default, without the program, whose first line names the interpreter of this machine."""
_CLIENT = Path(__file__).with_name("client.py")
_POOL = "side-by-side"


class Prefect:
    """A server that is running.

    Args:
        environment: where Prefect is installed.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._url = f"http://{environment.address}:{PORT}/api"
        self._rest = httpx.AsyncClient(base_url=self._url, timeout=30, trust_env=False)
        self._settings = {
            "PREFECT_HOME": str(environment.folder / "home"),
            "PREFECT_API_URL": self._url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    @asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        """Have the server, on Postgres: on SQLite, its default, it answers some of fifty flow runs at once with 503."""
        folder = self._environment.folder / "postgres"
        folder.mkdir()
        postgres = await asyncio.to_thread(start_postgres, folder)
        url = urlsplit(postgres.url)._replace(scheme="postgresql+asyncpg").geturl()
        program = self._environment.program("prefect")
        argv = [program, "server", "start", "--host", self._environment.address, "--port", str(PORT), "--no-ui"]
        try:
            async with self._rest, self._process("server", argv, {"PREFECT_API_DATABASE_CONNECTION_URL": url}):
                await eventually(self._is_healthy, patience=START_SECONDS)
                yield
        finally:
            await asyncio.to_thread(postgres.stop)

    @asynccontextmanager
    async def worker(self, namespace: str, query_seconds: float) -> AsyncIterator[None]:
        """Have a Kubernetes worker.

        Args:
            namespace: where it watches Jobs.
            query_seconds: how long it waits between two questions for work; Prefect's default is 10.
        """
        settings = {
            "PREFECT_WORKER_QUERY_SECONDS": str(query_seconds),
            "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES": namespace,
        }
        known = len(await self._workers())
        name = f"worker-{known}"
        argv = [self._environment.program("prefect"), "worker", "start", "--pool", _POOL, "--name", name]
        async with self._process("worker", argv, settings):

            async def is_online() -> bool:
                return any(each["name"] == name and each["status"] == "ONLINE" for each in await self._workers())

            await eventually(is_online, patience=START_SECONDS)
            yield

    @asynccontextmanager
    async def client(self, template: Mapping[str, Any]) -> AsyncIterator[Process]:
        """Have a client that has registered the deployment, and answers lines (`ask`).

        Args:
            template: base job template of the work pool.
        """
        file = self._environment.folder / "template.json"
        file.write_text(json.dumps(template), encoding="utf-8")
        # -P: this file's folder is not where modules are looked for.
        argv = [self._environment.python, "-P", _CLIENT, file, FLOWS]
        async with self._process("client", argv, {}) as process:
            await answer(process, START_SECONDS)
            yield process

    async def _is_healthy(self) -> bool:
        try:
            return (await self._rest.get("/health")).is_success
        except httpx.TransportError:
            return False

    async def _workers(self) -> list[dict[str, Any]]:
        found = await self._rest.post(f"/work_pools/{_POOL}/workers/filter", json={})
        workers: list[dict[str, Any]] = found.raise_for_status().json()
        return workers

    @asynccontextmanager
    async def _process(self, name: str, argv: list[Any], settings: Mapping[str, str]) -> AsyncIterator[Process]:
        """Have a process that is ended, whatever happens."""
        words = [str(word) for word in argv]
        environment = {**os.environ, **self._settings, **settings}
        with (self._environment.folder / f"{name}.log").open("a", encoding="utf-8") as log:
            process = await asyncio.create_subprocess_exec(
                *words, env=environment, stdin=PIPE, stdout=PIPE if name == "client" else log, stderr=log
            )
        try:
            yield process
        finally:
            await _stop(process)


async def ask(process: Process, question: Mapping[str, Any], patience: float) -> float:
    """Return a client's answer.

    Args:
        process: the client.
        question: what client.py takes.
        patience: seconds.

    Raises:
        RuntimeError: it ended, or a flow run failed.
    """
    assert process.stdin
    process.stdin.write(json.dumps(question).encode() + b"\n")
    await process.stdin.drain()
    return await answer(process, patience)


async def answer(process: Process, patience: float) -> float:
    """Return the seconds in the next line that a client prints.

    Raises:
        RuntimeError: it ended, or a flow run failed.
    """
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), patience)
    if not line:
        raise RuntimeError("Prefect's client has ended; its log says why")
    reply = json.loads(line)
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return float(reply["seconds"])


def base_job_template(pod_spec: Manifest, image: str, namespace: str) -> dict[str, Any]:
    """Return the work pool's template: a Job whose pod is that of everybody's, but for the image and the command.

    Args:
        pod_spec: of a task's pod.
        image: with Prefect in it.
        namespace: of the Jobs.
    """
    container = pod_spec["containers"][0]
    # The worker insists on these names and on these fields in the pod's spec, which Kubernetes leaves out.
    container |= {"name": "prefect-job", "image": image, "args": "{{ command }}"}
    container["command"] = container["command"][: container["command"].index("--") + 1]
    pod_spec |= {"parallelism": 1, "completions": 1}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "{{ name }}-", "labels": "{{ labels }}", "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": {"spec": pod_spec}},
    }
    fields = ("name", "command", "env", "labels")
    configuration = {**{field: f"{{{{ {field} }}}}" for field in fields}, "namespace": namespace, "job_manifest": job}
    text, mapping = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
    properties = {
        "name": text,
        "command": {**text, "default": EXECUTE},
        # Otherwise the worker hands its own PREFECT_HOME on, a folder of its machine.
        "env": {**mapping, "default": {"PREFECT_HOME": "/tmp/prefect"}},  # noqa: S108 - in the container
        "labels": mapping,
    }
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": properties}}


async def _stop(process: Process) -> None:
    """End a process: by request, else by force."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
