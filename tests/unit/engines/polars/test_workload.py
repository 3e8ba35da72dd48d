"""Workloads as documents, and the sandbox's settings."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_crds.wire.workload import Workload
from icefield_engines.polars.settings import MIB, Settings, for_worker, size

DOCUMENT: dict[str, Any] = {
    "id": "6c1f",
    "mode": "query",
    "query": "SELECT 1 FROM t",
    "tables": [{"alias": "t", "table": "default.t"}],
    "names": ["acme", "oleander"],
    "timeout_seconds": 60,
    "access": {
        "catalog_uri": "http://api/iceberg",
        "warehouse": "acme",
        "token": "of-the-run",
        "object_store": {
            "endpoint": "http://store",
            "region": "us-east-1",
            "bucket": "icefield",
            "access_key_id": "key",
            "secret_access_key": "of-the-store",
        },
    },
    "result_key": "workspaces/acme/runs/6c1f/result.arrow",
}


def test_a_document_with_what_it_needs_only() -> None:
    workload = Workload.from_json(DOCUMENT)
    assert (workload.text, workload.tables, workload.params) == ("SELECT 1 FROM t", {"t": "default.t"}, {})
    assert (workload.catalog_name, workload.destination, workload.save_mode) == ("acme", None, "overwrite")
    assert not workload.distributed


def test_what_is_not_known_is_left_alone_and_null_is_absent() -> None:
    document = {**DOCUMENT, "later": 1, "script": None, "params": None, "environment": None, "cluster_size": None}
    assert Workload.from_json(document) == Workload.from_json(DOCUMENT)


def test_secrets_are_not_in_its_representation() -> None:
    shown = repr(Workload.from_json({**DOCUMENT, "environment": {"KEY": "of-the-user"}}))
    assert not [secret for secret in ("of-the-run", "of-the-store", "of-the-user") if secret in shown]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"mode": "other"}, "mode must be one of query, script"),
        ({"mode": "script"}, "script must be a string, and not empty"),
        ({"id": ""}, "id must be a string, and not empty"),
        ({"names": []}, "names must be a list of names, and not empty"),
        ({"timeout_seconds": True}, "timeout_seconds must be an integer"),
        ({"timeout_seconds": 0}, "timeout_seconds must be between 1 and 31622400"),
        ({"tables": {"t": "default.t"}}, "tables must be a list"),
        ({"tables": ["t"]}, "each of tables must be an object"),
        ({"save_mode": "merge"}, "save_mode must be one of overwrite, append"),
        ({"params": []}, None),
        ({"params": [1]}, "params must be an object"),
        ({"environment": {"A": 1}}, "the values of environment must be strings without NUL"),
        ({"environment": {"A=": "1"}}, "the names of environment must not be empty, nor have = or NUL in them"),
        ({"access": {**DOCUMENT["access"], "token": None}}, "token must be a string, and not empty"),
        ({"access": None}, "access must be an object"),
    ],
)
def test_what_it_must_not_be(change: dict[str, Any], error: str | None) -> None:
    if error is None:
        assert Workload.from_json({**DOCUMENT, **change})
        return
    with pytest.raises(ValueError) as caught:
        Workload.from_json({**DOCUMENT, **change})
    assert str(caught.value) == error


def test_a_document_that_is_no_object() -> None:
    with pytest.raises(ValueError, match="the workload must be an object"):
        Workload.from_json([])


def test_settings() -> None:
    environment = {"ICEFIELD_SANDBOX_TOKEN_SHA256": "ab", "ICEFIELD_VCPUS": "8", "OTHER": "1"}
    settings = Settings.read(environment)
    assert (settings.port, size(settings.memory_limit_bytes), settings.max_output_bytes) == (8080, "16Gi", 16 * MIB)
    assert "ICEFIELD_SANDBOX_TOKEN_SHA256" not in for_worker(environment)
    with pytest.raises(ValueError, match="ICEFIELD_SANDBOX_TOKEN_SHA256 must be set"):
        Settings.read({})


@pytest.mark.parametrize(
    ("count", "spelled"), [(4 * 1024**3, "4Gi"), (700 * MIB, "700Mi"), (1536, "1.5Ki"), (12, "12")]
)
def test_sizes(count: int, spelled: str) -> None:
    assert size(count) == spelled
