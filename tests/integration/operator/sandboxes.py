"""Simulates the node that sandboxes run on: each pod gets a server of the sandbox protocol, and ends when that does."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Set
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from icefield_crds import format_time, labels
from icefield_crds.wire.outcome import ResultObject, WorkloadOutcome, WorkloadState
from icefield_kube.client import Manifest
from icefield_kube.errors import KubernetesError
from icefield_kube.paths import path_of
from icefield_kube.watch import Reflector
from icefield_operator.cluster import Cluster

from .kubelet import Kubelet

SUCCEEDED = WorkloadOutcome(
    WorkloadState.SUCCEEDED, row_count=2, execution_milliseconds=12.5, result=ResultObject("x", 99)
).to_json()


class Sandbox:
    """One sandbox: takes one workload, and ends when the test ends it and the outcome was acknowledged."""

    def __init__(self, pod: Manifest) -> None:
        env = {v["name"]: v.get("value", "") for v in pod["spec"]["containers"][0]["env"]}
        self.pod = pod["metadata"]["name"]
        self.started_at = _now()
        self.workload: dict[str, Any] | None = None
        self.received = 0
        self.started = 0
        self.acknowledged = False
        self.address = ""
        self._digest = env["ICEFIELD_SANDBOX_TOKEN_SHA256"]
        self._outcome: dict[str, Any] | None = None
        self._ended = asyncio.Event()
        app = web.Application(client_max_size=8 * 1024**2)
        app.add_routes(
            [web.put("/workload", self._put), web.get("/outcome", self._get), web.post("/acknowledge", self._post)]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    def end(self, **outcome: Any) -> None:
        """Let the workload end."""
        self._outcome = {**SUCCEEDED, **outcome}
        self._ended.set()

    @property
    def message(self) -> str:
        """What it leaves as its termination message."""
        return json.dumps(self._outcome) if self._outcome else ""

    @property
    def exit_code(self) -> int | None:
        """What its process ended with; None while it goes on."""
        if self._outcome is None or not self.acknowledged:
            return None
        return 0 if self._outcome["state"] == "succeeded" else 1

    async def terminate(self) -> int:
        """End it as the kubelet does; return its exit code."""
        return 143

    async def listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"

    async def close(self) -> None:
        await self._runner.cleanup()

    def _check(self, request: web.Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hashlib.sha256(token.encode()).hexdigest() != self._digest:
            raise web.HTTPUnauthorized(text='{"error": "The token is wrong."}')

    async def _put(self, request: web.Request) -> web.Response:
        self._check(request)
        sent = await request.json()
        self.received += 1
        if self.workload is None:
            self.workload = sent
            self.started += 1
        if self.workload["id"] != sent["id"]:
            return web.json_response({"error": "This sandbox has another workload."}, status=409)
        return web.json_response({"state": "running"}, status=202)

    async def _get(self, request: web.Request) -> web.Response:
        self._check(request)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), float(request.query.get("wait", "0")))
        if self._outcome is None:
            return web.json_response({"state": "running"}, status=202)
        return web.json_response(self._outcome)

    async def _post(self, request: web.Request) -> web.Response:
        self._check(request)
        self.acknowledged = True
        return web.Response(status=204)


class Pods:
    """The sandbox pods of a namespace, as a Reflector delivers them."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Manifest] = {}

    def __iter__(self) -> Iterator[Manifest]:
        """Those there are now; they may change meanwhile."""
        return iter(list(self._by_uid.values()))

    def put(self, item: Manifest) -> None:
        if labels.SANDBOX in item["metadata"].get("labels", {}):
            self._by_uid[item["metadata"]["uid"]] = item

    def remove(self, item: Manifest) -> None:
        self._by_uid.pop(item["metadata"]["uid"], None)

    def retain(self, listed: Set[str], version: int) -> None:
        for uid in self._by_uid.keys() - listed:
            del self._by_uid[uid]


class Node:
    """Runs a sandbox for each sandbox pod of a namespace; `make` creates a sandbox."""

    make: Callable[[Manifest], Any] = Sandbox

    def __init__(self, cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
        self._cluster = cluster
        self._kubelet = kubelet
        self._namespace = namespace
        self.sandboxes: dict[str, Any] = {}
        self.starts = True
        """Whether new pods get a node, and are started."""
        self.is_quick: Callable[[Manifest], bool] = lambda pod: True
        """Whether a pod that has a node is started now."""
        self.reports = True
        """Whether the ends of sandboxes are reported."""
        self.on_start: Callable[[Sandbox], None] = lambda sandbox: None
        self._over: set[str] = set()
        self._pods = Pods()

    def address(self, pod: Manifest) -> str:
        """Return where the sandbox of a pod listens; a closed port when it does not."""
        sandbox = self.sandboxes.get(pod["metadata"]["name"])
        return sandbox.address if sandbox else "http://127.0.0.1:1"

    def of_run(self, uid: str) -> Sandbox | None:
        """Return the sandbox that has the workload of a run."""
        return next((s for s in self.sandboxes.values() if s.workload and s.workload["id"] == uid), None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        """Run the node."""
        watch = Reflector(self._cluster._client, path_of("Pod", self._namespace), self._pods)
        tasks = [asyncio.create_task(watch.run()), asyncio.create_task(self._run())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for sandbox in self.sandboxes.values():
                await sandbox.close()
            for end in ends:
                if not isinstance(end, asyncio.CancelledError):
                    raise AssertionError("the node ended before its test") from end

    async def finish(
        self, name: str, exit_code: int, *, reason: str = "", message: str = "", pod_reason: str = "", why: str = ""
    ) -> None:
        """Report the end of a pod's container."""
        ended = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "startedAt": self.sandboxes[name].started_at,
            "finishedAt": _now(),
            "containerID": f"containerd://{name}",
            **({"message": message} if message else {}),
        }
        phase = "Succeeded" if exit_code == 0 else "Failed"
        of_pod = {"phase": phase, **({"reason": pod_reason, "message": why} if pod_reason else {})}
        await self._status(name, {**of_pod, **_status({"terminated": ended}, ready=False)})
        self._over.add(name)

    async def vanish(self, name: str) -> None:
        """Delete a pod without a grace period."""
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        await self._cluster._request("DELETE", path, query={"gracePeriodSeconds": "0"})

    async def _run(self) -> None:
        while True:
            for pod in self._pods:
                with suppress(KubernetesError):
                    await self._tend(pod)
            await asyncio.sleep(0.02)

    async def _tend(self, pod: Manifest) -> None:
        name = pod["metadata"]["name"]
        sandbox = self.sandboxes.get(name)
        if "deletionTimestamp" in pod["metadata"]:
            await self.vanish(name)
            self._pods.remove(pod)
        elif sandbox is None and self.starts and pod["status"].get("phase") != "Failed":
            await self._start(pod)
        elif sandbox and name not in self._over and pod["spec"].get("activeDeadlineSeconds") == 1:
            await self.finish(name, await sandbox.terminate(), message=sandbox.message, pod_reason="DeadlineExceeded")
        elif sandbox and name not in self._over and sandbox.exit_code is not None and self.reports:
            await self.finish(name, sandbox.exit_code, message=sandbox.message)

    async def _start(self, pod: Manifest) -> None:
        name = pod["metadata"]["name"]
        await self._kubelet.bind(self._namespace, name)
        if not self.is_quick(pod):
            return
        sandbox = self.make(pod)
        await sandbox.listen()
        self.sandboxes[name] = sandbox
        state = {"running": {"startedAt": sandbox.started_at}}
        address = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}
        await self._status(name, {"phase": "Running", **address, **_status(state, ready=True)})
        self.on_start(sandbox)

    async def _status(self, name: str, status: Manifest) -> None:
        await self._cluster.merge_patch("Pod", self._namespace, f"{name}/status", {"status": status})


def _status(state: Manifest, *, ready: bool) -> Manifest:
    container = {"name": "task", "state": state, "image": "x", "imageID": "", "ready": ready, "restartCount": 0}
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": _now()}
        for kind, status in (("PodScheduled", "True"), ("Ready", str(ready)))
    ]
    return {"startTime": _now(), "conditions": conditions, "containerStatuses": [container]}


def _now() -> str:
    return format_time(datetime.now(UTC))
