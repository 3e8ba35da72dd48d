"""That the stand-in for Lakekeeper would notice a wrong request: a test that cannot fail shows nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.lakekeeper.server import StandIn

PROFILE = {"type": "s3", "bucket": "b", "region": "r", "sts-enabled": False}
GOOD = {"warehouse-name": "a", "storage-profile": PROFILE, "delete-profile": {"type": "hard"}}
ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "/management/v1/warehouse", {**GOOD, "storage-profile": {"type": "s3"}}, "required property"),
        ("POST", "/management/v1/warehouse", {**GOOD, "name": "a"}, "unknown: /name"),
        (
            "POST",
            "/management/v1/warehouse",
            {**GOOD, "storage-profile": {**PROFILE, "keyPrefix": "p"}},
            "unknown: /storage-profile/keyPrefix",
        ),
        ("POST", "/management/v1/warehouse", {**GOOD, "delete-profile": {"type": "now"}}, "not valid"),
        ("POST", "/management/v1/bootstrap", {"is-operator": True}, "required property"),
        ("POST", "/management/v1/bootstrap", None, "body"),
        ("GET", "/management/v1/warehouse?name=a", None, "unknown: name"),
        ("DELETE", "/management/v1/warehouse/a", None, "uuid"),
        ("DELETE", f"/catalog/v1/{ID}/namespaces/a?recursive=perhaps", None, "recursive"),
        ("PUT", "/management/v1/warehouse", GOOD, "no such operation"),
        ("GET", "/management/v1/warehouses", None, "no such operation"),
    ],
)
def test_it_notices_what_is_not_as_documented(
    server: StandIn, method: str, path: str, body: dict[str, Any] | None, message: str
) -> None:
    answer = httpx.request(method, server.management_uri + path, json=body, trust_env=False)
    assert answer.is_client_error
    (violation,) = server.violations
    assert message in violation
    server.violations.clear()
