"""Errors of Kubernetes as a REST call reports them, and whether a retry may help; the bodies are real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from icefield_kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    KubernetesError,
    NotFound,
    Unreachable,
    rest_answer,
)


def invalid(*causes: tuple[str, str]) -> str:
    """Return the body of a 422 with these (field, message) causes."""
    return json.dumps(
        {
            "kind": "Status",
            "message": "Job.icefield.dev ... is invalid: ...",
            "reason": "Invalid",
            "details": {"kind": "Job", "causes": [{"field": field, "message": message} for field, message in causes]},
        }
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            invalid(("spec", 'Invalid value: "object": a job has either a command or tasks')),
            "A job has either a command or tasks.",
        ),
        (
            invalid(("<nil>", 'Invalid value: "object": these names are reserved: default, platform')),
            "These names are reserved: default, platform.",
        ),
        (
            invalid(("spec.tasks", 'Invalid value: "array": dependsOn names a task that does not exist')),
            "Tasks: dependsOn names a task that does not exist.",
        ),
        (
            invalid(
                (
                    "spec.quotas.maxRunningRuns",
                    "Invalid value: -3: spec.quotas.maxRunningRuns in body should be greater than or equal to 0",
                ),
                ("<nil>", "Invalid value: null: some validation rules were not checked because the object was invalid"),
            ),
            "Quotas.maxRunningRuns: should be greater than or equal to 0.",
        ),
        (
            invalid(("spec.members[0].role", 'Unsupported value: "x": supported values: "viewer", "editor", "admin"')),
            'Members[0].role: supported values: "viewer", "editor", "admin".',
        ),
    ],
)
def test_rules_of_the_schema_become_sentences(body: str, sentence: str) -> None:
    assert rest_answer(KubernetesError.of(422, body)) == (400, sentence)


CANNOT = (
    'jobs.icefield.dev is forbidden: User "icefield:demo:viewer" cannot create resource "jobs" in API group '
    '"icefield.dev" in the namespace "icefield-demo"'
)
TOO_LARGE = "This is larger than the 1572864 bytes that the cluster can store; put large values into the object store."
CANNOT_IMPERSONATE = (
    'users "icefield:new:admin" is forbidden: User "system:serviceaccount:icefield-system:icefield-apiserver" '
    'cannot impersonate resource "users" in API group "" at the cluster scope'
)


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (403, {"message": CANNOT}, (403, "Your role does not permit to create jobs in this workspace.")),
        (403, {"message": CANNOT_IMPERSONATE}, (503, "The workspace is not ready yet; try again shortly.")),
        (403, {"message": "no"}, (403, "Your role does not permit this.")),
        (404, {"details": {"kind": "jobs", "name": "x"}}, (404, "There is no job named x.")),
        (
            409,
            {"reason": "AlreadyExists", "details": {"kind": "jobs", "name": "x"}},
            (409, "There already is a job named x."),
        ),
        (
            409,
            {"reason": "Conflict", "details": {"kind": "jobs", "name": "x"}},
            (409, "The job named x was changed by someone else in the meantime; try again."),
        ),
        (400, {"message": "the body is odd"}, (400, "The body is odd.")),
        (500, {"message": "etcdserver: request is too large"}, (400, TOO_LARGE)),
        (500, {"message": "rpc error: trying to send message larger than max (2 vs. 1)"}, (400, TOO_LARGE)),
        (413, {"message": "Request entity too large: limit is 3145728"}, (400, TOO_LARGE)),
        (500, {"message": "etcd"}, (503, "The cluster did not answer as it should; try again shortly.")),
        (429, {}, (503, "The cluster did not answer as it should; try again shortly.")),
        (503, {}, (503, "The cluster did not answer as it should; try again shortly.")),
    ],
)
def test_other_refusals(status: int, body: dict[str, Any], answer: tuple[int, str]) -> None:
    assert rest_answer(KubernetesError.of(status, json.dumps(body))) == answer


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", b"\xff"])
def test_unreadable_bodies_are_survived(body: str | bytes | None) -> None:
    assert rest_answer(KubernetesError.of(409, body))[0] == 409


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (500, "InternalError", KubernetesError),
    ],
)
def test_each_reason_has_its_class(status: int, reason: str, error: type[KubernetesError]) -> None:
    raised = KubernetesError.of(status, json.dumps({"message": "m", "reason": reason}), {"Retry-After": "3"})
    assert type(raised) is error
    assert (raised.status, raised.message, raised.reason, raised.retry_after) == (status, "m", reason, 3.0)


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert [KubernetesError.of(status, "").retryable for status in (400, 403, 404, 422)] == [False] * 4
    assert [KubernetesError.of(status, "").retryable for status in (409, 410, 429, 500, 503)] == [True] * 5
    assert Unreachable("GET /api: refused").retryable
    assert rest_answer(Unreachable("GET /api: refused"))[0] == 503
