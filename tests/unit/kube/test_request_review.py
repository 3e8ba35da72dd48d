"""Who may read metrics: what Kubernetes answers, asked once a minute and one question at a time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from icefield_kube.client import Manifest
from icefield_kube.errors import Unreachable
from icefield_kube.request_review import RequestReview

PROMETHEUS = "system:serviceaccount:monitoring:prometheus"


class Kubernetes:
    """Knows one token, and whether its holder may."""

    def __init__(self, allowed: bool = True) -> None:
        self.allowed = allowed
        self.asked: list[Manifest] = []
        self.at_once = 0
        self.most_at_once = 0
        self.is_away = False

    async def call(self, method: str, path: str, *, body: Manifest) -> Manifest:
        assert method == "POST"
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.is_away:
            raise Unreachable("no answer")
        self.asked.append(body)
        if path == "/apis/authentication.k8s.io/v1/tokenreviews":
            known = body["spec"]["token"] == "known"
            return {
                "status": {"authenticated": True, "user": {"username": PROMETHEUS, "groups": ["g"]}} if known else {}
            }
        assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return {"status": {"allowed": self.allowed}}


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer  ", "Basic eDp5"])
async def test_without_a_token_nobody_is_asked(authorization: str | None) -> None:
    kubernetes = Kubernetes()
    assert await RequestReview(kubernetes).status(authorization, "/metrics") is HTTPStatus.UNAUTHORIZED
    assert kubernetes.asked == []


@pytest.mark.parametrize(
    ("token", "allowed", "status"),
    [("known", True, HTTPStatus.OK), ("known", False, HTTPStatus.FORBIDDEN), ("other", True, HTTPStatus.UNAUTHORIZED)],
)
async def test_kubernetes_decides_and_is_asked_once(token: str, allowed: bool, status: HTTPStatus) -> None:
    kubernetes = Kubernetes(allowed)
    review = RequestReview(kubernetes)
    assert await review.status(f"Bearer {token}", "/metrics") is status
    asked = len(kubernetes.asked)
    assert await review.status(f"bearer {token}", "/metrics") is status
    assert len(kubernetes.asked) == asked


async def test_the_holder_is_asked_about_as_kubernetes_knows_it() -> None:
    kubernetes = Kubernetes()
    await RequestReview(kubernetes).status("Bearer known", "/metrics")
    assert kubernetes.asked[1]["spec"] == {
        "user": PROMETHEUS,
        "groups": ["g"],
        "extra": {},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }


async def test_invented_tokens_are_asked_about_one_at_a_time() -> None:
    kubernetes = Kubernetes()
    review = RequestReview(kubernetes)
    await asyncio.gather(*(review.status(f"Bearer {number}", "/metrics") for number in range(20)))
    assert kubernetes.most_at_once == 1


async def test_an_outage_admits_nobody_and_is_forgotten() -> None:
    kubernetes = Kubernetes()
    review = RequestReview(kubernetes)
    kubernetes.is_away = True
    assert await review.status("Bearer known", "/metrics") is HTTPStatus.SERVICE_UNAVAILABLE
    kubernetes.is_away = False
    assert await review.status("Bearer known", "/metrics") is HTTPStatus.OK
