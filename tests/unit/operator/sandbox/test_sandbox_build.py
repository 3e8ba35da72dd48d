"""Sandboxes and their network policies: whole manifests against golden files, and what is easily got wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.golden import assert_golden
from tests.unit.manifests.rendering import of_kind

from icefield_crds import Run, Workspace
from icefield_crds.wire.run_token import AUDIENCE
from icefield_operator.run_token import RunTokenSigner
from icefield_operator.sandbox import build, network
from icefield_operator.sandbox.tokens import SandboxTokens, digest
from icefield_operator.sandbox.workload import document

GOLDEN = Path(__file__).parent / "golden"
UID = "11111111-2222-3333-4444-555555555555"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = RunTokenSigner(KEY)
TOKENS = SandboxTokens(SIGNER)
IMAGES = build.SandboxImages("localhost/icefield/polars:1", "localhost/icefield/polars-cloud:1", "IfNotPresent")
BUILDER = build.SandboxBuilder(IMAGES, TOKENS)
WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo", "uid": UID}, "spec": {}})
SERVERS = network.Servers("https://icefield-apiserver.icefield-system.svc", "http://store.icefield-system.svc:7070")


def _run(**polars: Any) -> Run:
    spec = {"polars": {"query": "SELECT 1", "tables": [{"alias": "t", "table": "db.t"}], **polars}}
    return Run.model_validate({"metadata": {"name": "q", "namespace": "icefield-demo", "uid": UID}, "spec": spec})


def _cold(**polars: Any) -> dict[str, Any]:
    run = _run(**polars)
    assert run.spec.polars is not None
    return BUILDER.cold(run, run.spec.polars, WORKSPACE, 0)


CASES: dict[str, Callable[[], Any]] = {
    "warm": lambda: BUILDER.warm(WORKSPACE, "sandbox-0a1b2c3d"),
    "cold": lambda: _cold(vcpus=8),
    "cloud": lambda: _cold(distributed=True),
    "network-policies": lambda: network.policies(WORKSPACE, SERVERS),
    "claim": lambda: build.claim({"metadata": {"uid": "u", "resourceVersion": "7"}}, _run(), WORKSPACE, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.yaml", CASES[name]())


def test_no_pod_holds_what_opens_anything() -> None:
    pods = [BUILDER.warm(WORKSPACE, "sandbox-1"), _cold(), _cold(distributed=True)]
    for pod in pods:
        written = json.dumps(pod)
        token = TOKENS.of("icefield-demo", pod["metadata"]["name"])
        assert token not in written
        assert hashlib.sha256(token.encode()).hexdigest() in written
        assert "icefield-object-store" not in written
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_each_sandbox_has_a_token_of_its_own_that_can_always_be_made_again() -> None:
    again = SandboxTokens(RunTokenSigner(KEY))
    assert again.of("icefield-demo", "sandbox-1") == TOKENS.of("icefield-demo", "sandbox-1")
    others = [("icefield-demo", "sandbox-2"), ("icefield-other", "sandbox-1")]
    assert all(TOKENS.of(*other) != TOKENS.of("icefield-demo", "sandbox-1") for other in others)
    stranger = SandboxTokens(RunTokenSigner(Ed25519PrivateKey.generate()))
    assert stranger.of("icefield-demo", "sandbox-1") != TOKENS.of("icefield-demo", "sandbox-1")
    assert len(digest("x")) == 64


def test_the_template_is_another_when_image_or_key_is() -> None:
    newer = build.SandboxBuilder(build.SandboxImages("polars:2", IMAGES.cloud, IMAGES.pull_policy), TOKENS)
    other_key = build.SandboxBuilder(IMAGES, SandboxTokens(RunTokenSigner(Ed25519PrivateKey.generate())))
    hashes = {builder.template_hash() for builder in (BUILDER, newer, other_key)}
    assert len(hashes) == 3
    assert (
        BUILDER.warm(WORKSPACE, "sandbox-1")["metadata"]["annotations"]
        == BUILDER.warm(WORKSPACE, "sandbox-2")["metadata"]["annotations"]
    )


def test_a_warm_sandbox_is_what_a_run_of_the_default_tier_would_get() -> None:
    warm, cold = BUILDER.warm(WORKSPACE, "sandbox-1")["spec"], _cold()["spec"]
    for spec in (warm, cold):
        env = spec["containers"][0]["env"]
        env[:] = [variable for variable in env if variable["name"] != "ICEFIELD_SANDBOX_TOKEN_SHA256"]
    del warm["priorityClassName"]
    assert warm == cold


def test_the_token_of_a_workload_opens_only_the_catalog_and_dies_soon() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    token = SIGNER.sign_for_catalog(_run(), "demo", now, timedelta(seconds=90))
    claims = jwt.decode(token, KEY.public_key(), algorithms=["EdDSA"], audience=AUDIENCE)
    assert (claims["scope"], claims["exp"]) == ("catalog", int(now.timestamp()) + 90)
    assert claims["run_uid"] == UID
    assert "scope" not in jwt.decode(
        SIGNER.sign(_run(), "demo", now), KEY.public_key(), algorithms=["EdDSA"], audience=AUDIENCE
    )


@pytest.mark.parametrize(
    ("api_url", "store", "ports"),
    [
        ("https://icefield-apiserver.icefield-system.svc", "http://s:7070", [53, 53, 7070]),
        ("https://api.example.org", "https://s3.example.org", [53, 53, 443, 443]),
        ("http://10.0.0.1:8000", "http://10.0.0.2", [53, 53, 8000, 80]),
    ],
)
def test_sandboxes_reach_only_what_they_need(api_url: str, store: str, ports: list[int]) -> None:
    policy, _ = network.policies(WORKSPACE, network.Servers(api_url, store))
    assert [port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])] == ports
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert all(block["except"] for block in blocks), "never where clouds hand out credentials"


def test_the_mode_says_which_of_query_and_script_runs() -> None:
    run = _run(mode="script", script="result = 1", params={"a": [1, None]})
    assert run.spec.polars is not None
    workload = document(run, run.spec.polars, WORKSPACE, {}, {}, "t", "https://api")
    assert (workload.mode, workload.params) == ("script", {"a": [1, None]})


def test_what_waits_for_work_goes_after_what_somebody_started() -> None:
    (warm,) = (
        found
        for found in of_kind("production", "PriorityClass")
        if found["metadata"]["name"] == BUILDER.warm(WORKSPACE, "sandbox-1")["spec"]["priorityClassName"]
    )
    assert warm["value"] < 0, "a pod without a class has 0"
    assert warm["value"] >= -10, "the cluster autoscaler removes pods below that with their nodes"
    assert warm["preemptionPolicy"] == "Never"
    assert "priorityClassName" not in _cold()["spec"]
