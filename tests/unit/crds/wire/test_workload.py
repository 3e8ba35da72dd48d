"""The sandbox's workload and outcome as JSON, and what their modules need."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from icefield_crds.wire.outcome import FailureKind, ResultObject, SavedTable, WorkloadOutcome, WorkloadState
from icefield_crds.wire.workload import CatalogAccess, Mode, ObjectStoreAccess, SaveMode, Workload

ACCESS = CatalogAccess(
    "https://api/iceberg", "demo", ObjectStoreAccess("http://store:7070", "us-east-1", "icefield", "id", "key"), "jwt"
)
SCRIPT = Workload(
    id="11111111-2222-3333-4444-555555555555",
    mode=Mode.SCRIPT,
    text="result = scan('t')",
    tables={"t": "default.t"},
    params={"a": [1, None]},
    catalog="oleander",
    catalog_names=("demo", "oleander"),
    destination="default.out",
    save_mode=SaveMode.APPEND,
    distributed=True,
    instance_type="t4g.medium",
    cluster_size=2,
    timeout_seconds=60,
    environment={"KEY": "value"},
    access=ACCESS,
    result_key="workspaces/demo/runs/1/result.arrow",
)
OUTCOMES = [
    WorkloadOutcome(
        WorkloadState.SUCCEEDED,
        row_count=3,
        execution_milliseconds=12.5,
        saved=SavedTable("default.out", 3, SaveMode.OVERWRITE),
        result=ResultObject("workspaces/demo/runs/1/result.arrow", 100),
    ),
    WorkloadOutcome(WorkloadState.FAILED, "no", "kind-of-a-newer-sandbox", 7, execution_milliseconds=0.0),
    WorkloadOutcome(WorkloadState.CANCELLED, "the workload was cancelled"),
    WorkloadOutcome.failed(FailureKind.MEMORY, "too large"),
]


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_workload_round_trip() -> None:
    document = _through_json(SCRIPT.to_json())
    assert Workload.from_json(document) == SCRIPT
    assert (document["script"], document["names"]) == ("result = scan('t')", ["demo", "oleander"])


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: str(outcome.state))
def test_outcome_round_trip(outcome: WorkloadOutcome) -> None:
    assert WorkloadOutcome.from_json(_through_json(outcome.to_json())) == outcome


def test_outcome_fields_on_the_wire() -> None:
    assert _through_json(OUTCOMES[0].to_json()) == {
        "state": "succeeded",
        "error": None,
        "error_kind": None,
        "error_line": None,
        "row_count": 3,
        "execution_milliseconds": 12.5,
        "saved": {"table": "default.out", "rows_written": 3, "mode": "overwrite"},
        "result": {"key": "workspaces/demo/runs/1/result.arrow", "bytes": 100},
    }


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ([], "the outcome must be an object"),
        ({"state": "done"}, "state must be one of succeeded, failed, cancelled"),
        ({"state": "failed", "error": 1}, "error must be a string"),
        ({"state": "failed", "error_line": 0}, f"error_line must be between 1 and {2**63 - 1}"),
        ({"state": "succeeded", "saved": {"table": "t", "rows_written": 1}}, "mode must be one of overwrite, append"),
        ({"state": "succeeded", "result": {"key": "k", "bytes": True}}, "bytes must be an integer"),
        (
            {"state": "succeeded", "execution_milliseconds": "1"},
            "execution_milliseconds must be a number, not negative",
        ),
    ],
)
def test_outcome_errors(document: object, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        WorkloadOutcome.from_json(document)
    assert str(caught.value) == error


def test_wire_formats_need_the_standard_library_only() -> None:
    program = (
        "import pkgutil, sys, importlib, icefield_crds.wire as wire\n"
        "for module in pkgutil.iter_modules(wire.__path__):\n"
        "    importlib.import_module(f'icefield_crds.wire.{module.name}')\n"
        "others = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(others - {'icefield_crds', '__main__'}))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, 'crds')\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
