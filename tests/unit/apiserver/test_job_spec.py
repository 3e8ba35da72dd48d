"""From requests to specs, from one spec to the next, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.errors import BadRequest, Conflict
from icefield_apiserver.core.execution_checks import problem_of_execution, problem_of_tasks
from icefield_apiserver.features.jobs.schemas import JobCreate, JobUpdate, job_of
from icefield_apiserver.features.jobs.spec import JobChange, changed, merge_patch, new_job
from icefield_apiserver.features.jobs.validate import problem_of_job
from icefield_apiserver.features.runs.schemas import RunSubmit
from icefield_apiserver.features.runs.spec import run_of_job
from icefield_crds import File, Job, JobSpec, JobStatus, ObjectMeta, RunSpec, Task

DAG = [{"key": "a", "command": "x"}, {"key": "b", "command": "x", "depends_on": ["a"]}]


def job(**spec: Any) -> Job:
    return Job(metadata=ObjectMeta(name="j", namespace="n", uid="u"), spec=JobSpec.model_validate(spec))


def created(**body: Any) -> Job:
    return new_job(body["name"], JobCreate(**body).to_spec(), "n")


def change_of(body: dict[str, Any]) -> JobChange:
    return JobUpdate.model_validate(body).to_change()


def work(spec: JobSpec) -> tuple[str | None, list[str] | None]:
    return spec.command, None if spec.tasks is None else [task.key for task in spec.tasks]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ({"tasks": DAG}, {}, (None, ["a", "b"])),
        ({"tasks": DAG}, {"tasks": None}, (None, ["a", "b"])),
        ({"tasks": DAG}, {"command": ""}, (None, ["a", "b"])),
        ({"tasks": DAG}, {"tasks": []}, (None, [])),
        ({"tasks": DAG}, {"tasks": [], "command": "y"}, ("y", None)),
        ({"tasks": DAG}, {"tasks": DAG[:1]}, (None, ["a"])),
        ({"tasks": []}, {"command": "y", "tasks": []}, ("y", None)),
        ({"tasks": []}, {"command": "y"}, ("y", None)),
        ({"tasks": []}, {}, (None, [])),
        ({"command": "x"}, {}, ("x", None)),
        ({"command": "x"}, {"command": ""}, ("x", None)),
        ({"command": "x"}, {"command": None, "tasks": DAG}, (None, ["a", "b"])),
        ({"command": "x"}, {"command": "y"}, ("y", None)),
        ({"command": "x"}, {"tasks": []}, ("x", None)),
        ({"command": "x"}, {"tasks": DAG}, (None, ["a", "b"])),
        ({"command": "x"}, {"tasks": DAG, "command": ""}, (None, ["a", "b"])),
    ],
)
def test_what_a_change_makes_of_the_work(
    before: dict[str, Any], change: dict[str, Any], after: tuple[str | None, list[str] | None]
) -> None:
    assert work(changed(job(**before), change_of(change))) == after


@pytest.mark.parametrize(
    ("before", "change", "sentence"),
    [
        ({"command": "x"}, {"tasks": DAG, "command": "y"}, "A job has either a command or tasks."),
        ({"tasks": DAG}, {"tasks": DAG, "command": "y"}, "A job has either a command or tasks."),
    ],
)
def test_a_command_and_tasks_in_one_change_are_refused(
    before: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        changed(job(**before), change_of(change))
    assert refused.value.sentence == sentence


@pytest.mark.parametrize(
    ("before", "change", "sentence"),
    [
        (
            {"tasks": DAG},
            {"command": "y"},
            "The job has tasks; send `tasks: []` with the command, which then replaces them.",
        ),
        (
            {"command": "x"},
            {"command": None},
            "The job has nothing but its command; send `tasks`, which replace it, or another command.",
        ),
    ],
)
def test_no_change_of_the_work_is_dropped_silently(
    before: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Conflict) as refused:
        changed(job(**before), change_of(change))
    assert refused.value.sentence == sentence


EVERY_FIELD: dict[str, Any] = {
    "name": "another",
    "description": "what it does",
    "schedule": "5 4 * * *",
    "time_zone": "Europe/Paris",
    "suspend": True,
    "concurrency_policy": "Forbid",
    "image": "python:3.13-slim",
    "flavor": "cpu.2",
    "env_vars": {"A": "1"},
    "files": {"a.py": "print()"},
    "params": {"day": "friday"},
    "timeout_seconds": 60,
    "max_retries": 2,
    "max_disruption_retries": 1,
    "requirements": ["polars==1.0.0"],
    "lock": "polars==1.0.0 --hash=sha256:" + "0" * 64,
}
SHAPES: list[dict[str, Any]] = [
    {"command": "x"},
    {"tasks": DAG},
    {"tasks": []},
    {"command": "x", "schedule": "0 3 * * *", "timeZone": "UTC", "suspend": True},
]


def test_every_field_of_a_change_is_covered() -> None:
    assert EVERY_FIELD.keys() | {"command", "tasks"} == JobUpdate.model_fields.keys()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", EVERY_FIELD)
def test_a_change_of_a_field_shows_in_the_job(shape: dict[str, Any], field: str) -> None:
    before = job(**shape)
    after = before.model_copy(update={"spec": changed(before, change_of({field: EVERY_FIELD[field]}))})
    shown, was = job_of(after, None).model_dump(mode="json"), job_of(before, None).model_dump(mode="json")
    assert shown[field] == EVERY_FIELD[field]
    untouched = shown.keys() - {field, "next_run_at"}
    assert {name: shown[name] for name in untouched} == {name: was[name] for name in untouched}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", [field for field in EVERY_FIELD if field != "name"])
def test_null_clears_a_field(shape: dict[str, Any], field: str) -> None:
    full = job(**shape)
    full = full.model_copy(update={"spec": changed(full, change_of(EVERY_FIELD))})
    cleared = full.model_copy(update={"spec": changed(full, change_of({field: None}))})
    shown = job_of(cleared, None).model_dump(mode="json")[field]
    assert shown in (None, {}, [], False, "Allow")


def test_a_command_beside_tasks_is_refused_as_kubernetes_does() -> None:
    with pytest.raises(BadRequest, match=r"^400: A job has either a command or tasks\.$"):
        created(name="a", command="x", tasks=DAG)
    with pytest.raises(BadRequest, match=r"^400: A run has either a command or tasks, not both\.$"):
        RunSubmit(command="x", tasks=DAG).to_spec()
    assert work(created(name="a", command="x", tasks=[]).spec) == ("x", None)
    assert work(created(name="a", command="", tasks=DAG).spec) == (None, ["a", "b"])


def test_absent_stays_and_null_clears() -> None:
    before = job(command="x", schedule="0 3 * * *", maxRetries=2, params={"a": "1"}, suspend=True)
    kept = changed(before, change_of({"description": "d"}))
    assert (kept.schedule, kept.max_retries, kept.params, kept.suspend) == ("0 3 * * *", 2, {"a": "1"}, True)
    cleared = changed(before, change_of({"schedule": None, "max_retries": None, "params": None}))
    assert (cleared.schedule, cleared.max_retries, cleared.params, cleared.suspend) == (None, None, {}, True)


def test_a_patch_says_only_what_changes() -> None:
    before = JobSpec(command="x", params={"a": "1", "b": "2"}, schedule="0 3 * * *")
    after = JobSpec(tasks=[Task(key="a", command="x")], params={"b": "3"})
    assert merge_patch(before, before) == {}
    assert merge_patch(before, after) == {
        "command": None,
        "schedule": None,
        "params": {"a": None, "b": "3"},
        "tasks": [{"key": "a", "command": "x", "dependsOn": [], "env": [], "requirements": []}],
    }


def test_names() -> None:
    slugged = created(name="Café Öl 7", command="x")
    assert (slugged.metadata.name, slugged.spec.display_name) == ("cafe-ol-7", "Café Öl 7")
    plain = created(name="plain", command="x")
    assert (plain.metadata.name, plain.spec.display_name) == ("plain", None)
    with pytest.raises(BadRequest):
        created(name="日本", command="x")


def test_a_run_fixes_what_the_job_says() -> None:
    template = job(tasks=DAG, params={"a": "1", "b": "1"}, env=[{"name": "A", "value": "1"}], image="i", maxRetries=3)
    spec: RunSpec = run_of_job(template, {"b": "2"})
    assert spec.tasks == template.spec.tasks
    assert spec.params == {"a": "1", "b": "2"}
    assert (spec.env, spec.image, spec.max_retries) == (template.spec.env, "i", 3)
    assert spec.job_ref is not None
    assert spec.job_ref.name == "j"


def tasks(**depends_on: list[str]) -> list[Task]:
    return [Task(key=key, command="x", depends_on=on) for key, on in depends_on.items()]


@pytest.mark.parametrize(
    ("dag", "problem"),
    [
        (tasks(), None),
        (tasks(a=[], b=["a"], c=["a", "b"]), None),
        (tasks(a=["a"]), "Task a depends on itself."),
        (tasks(a=[], b=["z"]), "Task b depends on z, which is not a task of this job."),
        ([*tasks(a=[]), *tasks(a=[])], "Two tasks have the key a."),
    ],
)
def test_problems_of_a_dag(dag: list[Task], problem: str | None) -> None:
    assert problem_of_tasks(dag) == problem


def test_a_cycle_is_named() -> None:
    problem = problem_of_tasks(tasks(a=["c"], b=["a"], c=["b"], d=[]))
    assert problem is not None
    path = problem.removeprefix("The tasks depend on each other in a cycle: ").rstrip(".").split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"command": "a\0b"}, "Field command has a NUL character in it, which no process can be given."),
        ({"command": "x", "env_vars": {"A": "\0"}}, "Field env_vars.A has a NUL character in it, which no process"),
        ({"command": "x", "params": {"a": "\0"}}, "Field params.a has a NUL character in it, which no process"),
        ({"command": "x", "params": {"a": ["\0"]}}, ""),
        ({"command": "x", "files": {"a": "\0"}}, ""),
        ({"command": "x", "params": {"a": 1, "A": 2}}, "Field params has a and A, which are both PARAM_A in a task."),
        (
            {"command": "x", "files": {"a": "a", "a/b": "c"}},
            "Field files has a both as a file and, with a/b, as a folder.",
        ),
    ],
)
def test_what_a_request_is_refused_for(body: dict[str, Any], sentence: str) -> None:
    of_job = problem_of_job(JobCreate(name="a", **body).to_spec()) or ""
    assert of_job.startswith(sentence)
    assert bool(of_job) is bool(sentence)
    assert (problem_of_execution(RunSubmit(**body).to_spec()) or "") == of_job


def test_parameters_of_a_run_are_checked_with_those_of_its_job() -> None:
    template = job(command="x", params={"a": "1"})
    for params, sentence in (
        ({"a": "\0"}, "Field params.a has a NUL"),
        ({"A": "1"}, "Field params has a and A, which"),
    ):
        assert (problem_of_execution(run_of_job(template, params)) or "").startswith(sentence)


def test_problems_of_a_job() -> None:
    assert problem_of_job(JobSpec()) == "A job needs a command or tasks."
    assert problem_of_job(JobSpec(command="x", schedule="*/5 1-3 * JAN,FEB MON#1")) is None
    assert problem_of_job(JobSpec(command="x", schedule="@daily", time_zone="Europe/Paris")) is None
    unknown = JobSpec(command="x", schedule="@daily", time_zone="Mars/Base")
    assert problem_of_job(unknown) == "Field time_zone: 'Mars/Base' is unknown."
    for wrong in ("@often", "* * * *", "* * * * * *", "a;b * * * *", "99 99 99 99 99", "0 0 31 2 *"):
        assert "not a cron expression" in (problem_of_job(JobSpec(command="x", schedule=wrong)) or "")
    large = [File(path=f"f{n}", content="x" * 250_000) for n in range(5)]
    too_large = "Field files has 1250000 bytes together, more than the 921600 that are allowed; "
    assert (problem_of_execution(RunSpec(command="x", files=large)) or "").startswith(too_large)


def test_a_job_shows_what_its_schedule_left_out() -> None:
    metadata = {"name": "etl", "namespace": "icefield-demo", "uid": "u"}
    job = Job.model_validate({"metadata": metadata, "spec": {"command": "true", "schedule": "@hourly"}})
    assert (job_of(job, None).last_skipped, job_of(job, None).skipped_count) == (None, 0)
    skipped = {"time": "2026-03-01T10:00:00Z", "reason": "RunAlreadyActive", "message": "left out"}
    status = JobStatus.model_validate({"lastSkippedSchedule": skipped, "skippedSchedules": 3})
    shown = job_of(job.model_copy(update={"status": status}), None)
    assert shown.skipped_count == 3
    assert shown.last_skipped
    assert shown.last_skipped.model_dump(mode="json") == {
        "at": "2026-03-01T10:00:00Z",
        "reason": "RunAlreadyActive",
        "message": "left out",
    }
