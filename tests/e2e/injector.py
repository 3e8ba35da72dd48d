"""A real mutating webhook, in a pod of the cluster: does to pods what a service mesh, Vault or a policy engine does.

MutatingAdmissionPolicy needs no program, but is off by default in Kubernetes 1.34.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from icefield_cluster.install import certificates
from icefield_crds import labels, names
from tests.e2e.scenarios import Scenario
from tests.kubernetes_client import Kind

WEBHOOKS: Kind = ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations")
NAMESPACES: Kind = ("v1", "namespaces")
PORT = 8443
READY_SECONDS = 120
PROBE = "injector-probe"

PROGRAM = """
import base64, json, ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open("/etc/injector/patches.json") as file:
    PATCHES = json.load(file)

class Injector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = base64.b64encode(json.dumps(PATCHES[self.path.rpartition("/")[2].partition("?")[0]]).encode()).decode()
        review["response"] = {
            "uid": review.pop("request")["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch
        }
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/injector/tls.crt", "/etc/injector/tls.key")
server = ThreadingHTTPServer(("", 8443), Injector)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class Injection(NamedTuple):
    """What is done to some pods of a workspace."""

    selector: Mapping[str, str]
    """Labels of the pods."""
    patch: Sequence[Mapping[str, Any]]
    """A JSON patch."""


def of_task(key: str, *patch: Mapping[str, Any]) -> Injection:
    """Return what is done to the pods of the tasks with this key."""
    return Injection({labels.TASK: key}, patch)


@contextmanager
def injecting(scenario: Scenario, workspace: str, injections: Sequence[Injection]) -> Iterator[None]:
    """Have pods of one workspace changed as they are created.

    Args:
        scenario: the cluster.
        workspace: slug of the workspace; no other is touched.
        injections: what to do to which pods.
    """
    name = f"e2e-injector-{secrets.token_hex(3)}"
    certificate = certificates.issue([f"injector.{name}.svc"])
    injections = [*injections, Injection({PROBE: "true"}, [{"op": "remove", "path": f"/metadata/labels/{PROBE}"}])]
    try:
        scenario.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for manifest in _program(scenario, name, certificate, injections):
            scenario.cluster.create(manifest)
        scenario.kubectl("-n", name, "wait", "--for=condition=Ready", f"--timeout={READY_SECONDS}s", "pod/injector")
        scenario.cluster.create(_configuration(name, workspace, certificate.ca, injections))
        _wait_until_asked(scenario, workspace)
        yield
    finally:
        scenario.cluster.delete(WEBHOOKS, name)
        scenario.cluster.delete(NAMESPACES, name)


def _wait_until_asked(scenario: Scenario, workspace: str) -> None:
    """Wait until kube-apiserver asks the webhook, which it learns of a moment after the configuration is stored."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": PROBE, "namespace": names.namespace_of(workspace), "labels": {PROBE: "true"}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "probe", "image": "probe", "securityContext": restricted}],
        },
    }
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            made = json.loads(scenario.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=pod))
        except AssertionError as error:
            # Its Service has no address yet.
            refusal = str(error)
        else:
            if PROBE not in (made["metadata"].get("labels") or {}):
                return
            refusal = "it is not asked"
        assert time.monotonic() < deadline, refusal
        time.sleep(0.2)


def _program(
    scenario: Scenario, namespace: str, certificate: certificates.ServerCertificate, injections: Sequence[Injection]
) -> list[dict[str, Any]]:
    metadata = {"name": "injector", "namespace": namespace, "labels": {"app": "injector"}}
    patches = {str(number): injection.patch for number, injection in enumerate(injections)}
    files = {
        "injector.py": PROGRAM,
        "patches.json": json.dumps(patches),
        "tls.crt": certificate.certificate,
        "tls.key": certificate.key,
    }
    container = {
        "name": "injector",
        "image": scenario.platform.runtime_image,
        "command": ["python", "/etc/injector/injector.py"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "volumeMounts": [{"name": "files", "mountPath": "/etc/injector"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "files", "secret": {"secretName": "injector"}}],
        "terminationGracePeriodSeconds": 0,
    }
    ports = [{"port": 443, "targetPort": PORT}]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": "injector"}, "ports": ports},
        },
    ]


def _configuration(name: str, workspace: str, ca: str, injections: Sequence[Injection]) -> dict[str, Any]:
    webhooks = [
        {
            "name": f"injection-{number}.icefield.test",
            "clientConfig": {
                "service": {"namespace": name, "name": "injector", "path": f"/{number}"},
                "caBundle": base64.b64encode(ca.encode()).decode(),
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {labels.WORKSPACE: workspace}},
            "objectSelector": {"matchLabels": injection.selector},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }
        for number, injection in enumerate(injections)
    ]
    return {
        "apiVersion": WEBHOOKS[0],
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": webhooks,
    }
