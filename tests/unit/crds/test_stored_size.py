"""What a resource takes in etcd; tests/api/test_stored_size.py compares it with what a real etcd has."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import AttemptStatus, Execution, Job, Run, RunStatus, TaskStatus
from icefield_crds.execution import MAX_RETRIES, MAX_TASKS
from icefield_crds.stored_size import (
    MAX_FILES_BYTES,
    MAX_OBJECT_BYTES,
    RESERVED_BYTES,
    _size_of_part,
    files_problem,
    size_problem,
    stored_size,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def job(**spec: Any) -> Job:
    return Job.model_validate({"metadata": {"name": "etl"}, "spec": spec})


def test_go_escapes_what_json_need_not() -> None:
    plain, escaped = (stored_size(job(command=text)) for text in ("x" * 500, "<>&\u2028\u2029" * 100))
    assert escaped - plain == 500 * 5


def test_the_managed_fields_count() -> None:
    short = [{"name": f"V{number}", "value": ""} for number in range(100)]
    tasks = [{"key": f"t{number}", "command": "x", "env": short} for number in range(100)]
    many = job(tasks=tasks)
    assert stored_size(many) > 2 * len(json.dumps(many.spec.to_api(), separators=(",", ":")))


def test_the_limit_is_the_last_size_that_is_allowed() -> None:
    tasks = [{"key": f"t{number}", "command": "x" * 30_000} for number in range(43)]

    def of_size(size: int) -> Job:
        rest = size - stored_size(job(tasks=[*tasks, {"key": "last", "command": "x"}]))
        return job(tasks=[*tasks, {"key": "last", "command": "x" * (rest + 1)}])

    for size in (MAX_OBJECT_BYTES - 1, MAX_OBJECT_BYTES):
        assert stored_size(of_size(size)) == size
        assert size_problem(of_size(size)) is None
    assert size_problem(of_size(MAX_OBJECT_BYTES + 1)) == (
        "the job has 1310721 bytes as the cluster stores it, more than the 1310720 that are allowed; put large values "
        "into the object store"
    )


def test_the_snapshot_of_a_run_counts_and_its_other_status_does_not() -> None:
    execution = Execution(command="x" * 30_000)
    run = Run.model_validate({"metadata": {"name": "r"}, "spec": {"jobRef": {"name": "etl"}}})
    with_snapshot = run.model_copy(update={"status": RunStatus(snapshot=execution, error="e" * 4000)})
    assert 30_000 < stored_size(with_snapshot) - stored_size(run) < 30_300


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_the_status_of_a_run_has_room(attempts: int) -> None:
    tried = [
        AttemptStatus(
            attempt=number,
            pod_name="p" * 60,
            pod_uid="0f3b2c9d-81aa-4d0c-a1a5-3c6e7a3c2f11",
            status="failed",
            start_time=NOW,
            completion_time=NOW,
            exit_code=1,
            error="the task ended with exit code 1",
            logs_archived=True,
            logs_complete=True,
        )
        for number in range(attempts)
    ]
    tasks = [
        TaskStatus(
            key=f"a-task-of-some-length-{number}",
            status="failed",
            start_time=NOW,
            completion_time=NOW,
            exit_code=1,
            error="the task ended with exit code 1",
            attempts=tried,
        )
        for number in range(MAX_TASKS)
    ]
    assert _size_of_part(RunStatus(tasks=tasks)) < RESERVED_BYTES


def test_the_attempts_of_all_tasks_have_room_in_the_status() -> None:
    def of(count: int, retries: int, size: int = 1) -> str | None:
        tasks = [{"key": f"t{number}", "command": "x" * size} for number in range(count)]
        return size_problem(job(tasks=tasks, maxRetries=retries))

    assert of(MAX_TASKS, 10) is None
    assert of(MAX_TASKS, MAX_RETRIES) == (
        "with their retries the tasks of the job can have 2100 attempts, and the cluster can store the status of 1505; "
        "lower max_retries"
    )
    assert of(MAX_TASKS, 10, size=10_000) is not None
    assert of(1, MAX_RETRIES, size=30_000) is None


def test_files_are_counted_together_in_bytes() -> None:
    def of(last: int) -> Execution:
        texts = ["\u00e9" * 115_200] * 3 + ["x" * last]
        files = [{"path": f"f{number}", "content": text} for number, text in enumerate(texts)]
        return Execution.model_validate({"command": "x", "files": files})

    rest = MAX_FILES_BYTES - 3 * 2 * 115_200
    assert files_problem(of(rest)) is None
    assert files_problem(of(rest + 1)) == (
        "field files has 921601 bytes together, more than the 921600 that are allowed; put large ones into the object "
        "store"
    )
