"""The limits of jobs and runs: docs/jobs.md, the OpenAPI document and the constants name the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

from icefield_apiserver.core.bodies import OBJECT_BYTES
from icefield_apiserver.core.errors import BadRequest, validation_sentence
from icefield_apiserver.core.openapi import install_openapi
from icefield_apiserver.features.jobs import routes as jobs
from icefield_apiserver.features.jobs.schemas import JobCreate, JobUpdate
from icefield_apiserver.features.runs import routes as runs
from icefield_apiserver.features.runs.schemas import RunStart, RunSubmit
from icefield_crds import execution, job, requirements
from icefield_crds.environment import MAX_STRING_BYTES, MAX_TOTAL_BYTES
from icefield_crds.stored_size import ETCD_REQUEST_BYTES, MAX_FILES_BYTES, MAX_OBJECT_BYTES

DOCS = Path(__file__).parents[3] / "docs" / "jobs.md"
LIMITS: dict[str, int] = {
    "`name`": job.MAX_DISPLAY_NAME_LENGTH,
    "`description`": job.MAX_DESCRIPTION_LENGTH,
    "`schedule`": job.MAX_SCHEDULE_LENGTH,
    "`time_zone`": job.MAX_TIME_ZONE_LENGTH,
    "`command`": execution.MAX_COMMAND_LENGTH,
    "`tasks`": execution.MAX_TASKS,
    "`key` of a task": execution.MAX_KEY_LENGTH,
    "`depends_on` of a task": execution.MAX_DEPENDENCIES,
    "`image`": execution.MAX_NAME_LENGTH,
    "`flavor`": execution.MAX_NAME_LENGTH,
    "`env_vars` of the job, and of each task": execution.MAX_VARIABLES,
    "name of a variable": execution.MAX_NAME_LENGTH,
    "value of a variable": execution.MAX_VALUE_LENGTH,
    "name or key of a Secret or ConfigMap": execution.MAX_NAME_LENGTH,
    "`files`": execution.MAX_FILES,
    "path of a file": execution.MAX_NAME_LENGTH,
    "text of a file": execution.MAX_FILE_LENGTH,
    "all `files` together": MAX_FILES_BYTES,
    "`params`": execution.MAX_PARAMS,
    "name of a parameter": execution.MAX_NAME_LENGTH,
    "value of a parameter, as text": execution.MAX_VALUE_LENGTH,
    "a variable or a parameter as `NAME=value`, `ICEFIELD_PARAMS`, or the command": MAX_STRING_BYTES,
    "command, variables and parameters of a task together": MAX_TOTAL_BYTES,
    "`requirements` of a task, with those of the job": requirements.MAX_REQUIREMENTS,
    "a requirement": requirements.MAX_REQUIREMENT_LENGTH,
    "`lock`": requirements.MAX_LOCK_LENGTH,
    "the whole job or run as the cluster stores it": MAX_OBJECT_BYTES,
    "the same, with 1,000 for each attempt that its tasks may have": ETCD_REQUEST_BYTES,
    "the body of a request": OBJECT_BYTES,
    "`timeout_seconds`": execution.MAX_SECONDS,
    "`max_retries`": execution.MAX_RETRIES,
    "`max_disruption_retries`": execution.MAX_DISRUPTION_RETRIES,
}
OF_EXECUTION = {
    "command": ("maxLength", "`command`"),
    "tasks": ("maxItems", "`tasks`"),
    "image": ("maxLength", "`image`"),
    "flavor": ("maxLength", "`flavor`"),
    "env_vars": ("maxProperties", "`env_vars` of the job, and of each task"),
    "env_vars.propertyNames": ("maxLength", "name of a variable"),
    "env_vars.additionalProperties": ("maxLength", "value of a variable"),
    "files": ("maxProperties", "`files`"),
    "files.propertyNames": ("maxLength", "path of a file"),
    "files.additionalProperties": ("maxLength", "text of a file"),
    "params": ("maxProperties", "`params`"),
    "params.propertyNames": ("maxLength", "name of a parameter"),
    "requirements": ("maxItems", "`requirements` of a task, with those of the job"),
    "requirements.items": ("maxLength", "a requirement"),
    "lock": ("maxLength", "`lock`"),
    "timeout_seconds": ("maximum", "`timeout_seconds`"),
    "max_retries": ("maximum", "`max_retries`"),
    "max_disruption_retries": ("maximum", "`max_disruption_retries`"),
}
OF_JOB = {
    **OF_EXECUTION,
    "name": ("maxLength", "`name`"),
    "description": ("maxLength", "`description`"),
    "schedule": ("maxLength", "`schedule`"),
    "time_zone": ("maxLength", "`time_zone`"),
}
OF_TASK = {name: limit for name, limit in OF_EXECUTION.items() if not name.startswith(("tasks", "files", "params"))} | {
    "key": ("maxLength", "`key` of a task"),
    "depends_on": ("maxItems", "`depends_on` of a task"),
}
OF_REFERENCE = dict.fromkeys(("name", "key"), ("maxLength", "name or key of a Secret or ConfigMap"))
DOCUMENTED = {
    "JobCreate": OF_JOB,
    "JobUpdate": OF_JOB,
    "RunSubmit": {**OF_EXECUTION, "name": ("maxLength", "`name`")},
    "RunStart": {name: limit for name, limit in OF_EXECUTION.items() if name.startswith("params")},
    "TaskWrite": OF_TASK,
    "KeyReferenceWrite": OF_REFERENCE,
}
NO_LIMIT = {"suspend", "concurrency_policy", "on_quota"}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The schemas of the OpenAPI document."""
    app = FastAPI()
    install_openapi(app)
    for router in (jobs.router, runs.router, runs.jobs_router):
        app.include_router(router)
    found: dict[str, Any] = app.openapi()["components"]["schemas"]
    return found


def test_the_table_has_the_limits_and_no_others() -> None:
    section = DOCS.read_text().split("\n## Limits\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| ([0-9,]+)(?: characters| bytes)? \|$", section, re.MULTILINE)
    assert {name: int(number.replace(",", "")) for name, number in rows} == LIMITS
    assert section.count("\n|") == len(rows) + 2


def options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the branches of a schema that may be absent, or be of several types."""
    return [each for part in schema.get("anyOf", [schema]) for each in (options(part) if "anyOf" in part else [part])]


def limit_of(schema: dict[str, Any], path: str, keyword: str) -> int | None:
    """Return the limit that a schema has at a path of properties and keywords."""
    name, *inner = path.split(".")
    found = options(schema["properties"][name])
    for step in inner:
        found = [option for each in found if step in each for option in options(each[step])]
    return next((each[keyword] for each in found if keyword in each), None)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_openapi_document_has_them(name: str, schemas: dict[str, Any]) -> None:
    for path, (keyword, row) in DOCUMENTED[name].items():
        assert limit_of(schemas[name], path, keyword) == LIMITS[row], path
    assert {path.split(".")[0] for path in DOCUMENTED[name]} == set(schemas[name]["properties"]) - NO_LIMIT


def refusal(model: type[BaseModel], body: dict[str, Any]) -> str:
    """Return what a body is refused with; empty when it is taken."""
    try:
        read = model.model_validate(body)
        if isinstance(read, JobCreate | RunSubmit):
            read.to_spec()
    except ValidationError as error:
        return validation_sentence([{**each, "loc": ("body", *each["loc"])} for each in error.errors()])
    except BadRequest as error:
        return error.sentence
    return ""


def of_job(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "command": "x", **fields}


def of_task(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "tasks": [{"key": "a", "command": "x", **fields}]}


def reference(**fields: str) -> dict[str, Any]:
    return of_job(env_vars={"A": {"secret_key_ref": {"name": "n", "key": "k", **fields}}})


AT_AND_BEYOND: list[tuple[str, Callable[[int], dict[str, Any]], str]] = [
    ("`name`", lambda n: of_job(name="x" * n), "Field name: String should have at most 253 characters."),
    ("`description`", lambda n: of_job(description="x" * n), "Field description: String should have at most 4096 c"),
    ("`schedule`", lambda n: of_job(schedule="x" * n), "Field schedule: String should have at most 253 characters."),
    ("`time_zone`", lambda n: of_job(time_zone="x" * n), "Field time_zone: String should have at most 64 characters."),
    ("`command`", lambda n: of_job(command="x" * n), "Field command: String should have at most 32768 characters."),
    ("`command`", lambda n: of_task(command="x" * n), "Field tasks[0].command: String should have at most 32768 char"),
    (
        "`tasks`",
        lambda n: of_job(command=None, tasks=[{"key": f"t{i}", "command": "x"} for i in range(n)]),
        "Field tasks: should have at most 100 entries.",
    ),
    (
        "`key` of a task",
        lambda n: of_task(key="x" * n),
        "Field tasks[0].key: String should have at most 63 characters.",
    ),
    (
        "`depends_on` of a task",
        lambda n: of_task(depends_on=[f"t{i}" for i in range(n)]),
        "Field tasks[0].depends_on: should have at most 25 entries.",
    ),
    ("`image`", lambda n: of_job(image="x" * n), "Field image: String should have at most 253 characters."),
    (
        "`flavor`",
        lambda n: of_task(flavor="x" * n),
        "Field tasks[0].flavor: String should have at most 253 characters.",
    ),
    (
        "`env_vars` of the job, and of each task",
        lambda n: of_task(env_vars={f"V{i}": "" for i in range(n)}),
        "Field tasks[0].env_vars: should have at most 100 entries.",
    ),
    (
        "name of a variable",
        lambda n: of_job(env_vars={"V" * n: ""}),
        f"Field env_vars.{'V' * 64}\u2026: String should have at most 253 characters.",
    ),
    (
        "value of a variable",
        lambda n: of_job(env_vars={"A": "x" * n}),
        "Field env_vars.A: String should have at most 32768 characters.",
    ),
    (
        "name or key of a Secret or ConfigMap",
        lambda n: reference(name="x" * n),
        "Field env_vars.A.secret_key_ref.name: String should have at most 253 characters.",
    ),
    (
        "`files`",
        lambda n: of_job(files={f"f{i}": "" for i in range(n)}),
        "Field files: should have at most 50 entries.",
    ),
    (
        "path of a file",
        lambda n: of_job(files={"f" * n: ""}),
        f"Field files.{'f' * 64}\u2026: String should have at most 253 characters.",
    ),
    (
        "text of a file",
        lambda n: of_job(files={"f.py": "x" * n}),
        "Field files.f.py: String should have at most 262144 characters.",
    ),
    (
        "`params`",
        lambda n: of_job(params={f"p{i}": "" for i in range(n)}),
        "Field params: should have at most 100 entri",
    ),
    (
        "name of a parameter",
        lambda n: of_job(params={"p" * n: ""}),
        f"Field params.{'p' * 64}\u2026: String should have at most 253 characters.",
    ),
    (
        "value of a parameter, as text",
        lambda n: of_job(params={"p": "x" * n}),
        "Field params.p: String should have at most 32768 characters.",
    ),
    (
        "`timeout_seconds`",
        lambda n: of_job(timeout_seconds=n),
        "Field timeout_seconds: should be less than or equal to",
    ),
    ("`max_retries`", lambda n: of_job(max_retries=n), "Field max_retries: should be less than or equal to 20."),
    (
        "`max_disruption_retries`",
        lambda n: of_task(max_disruption_retries=n),
        "Field tasks[0].max_disruption_retries: should be less than or equal to 20.",
    ),
]


@pytest.mark.parametrize(("row", "body", "sentence"), AT_AND_BEYOND)
def test_at_a_limit_and_beyond(row: str, body: Callable[[int], dict[str, Any]], sentence: str) -> None:
    assert refusal(JobCreate, body(LIMITS[row])) == ""
    assert refusal(JobCreate, body(LIMITS[row] + 1)).startswith(sentence)
    assert len(refusal(JobCreate, body(LIMITS[row] + 1))) < 200


def test_of_a_union_the_branch_that_fits_best_is_told() -> None:
    missing = of_job(env_vars={"A": {"secret_key_ref": {"key": "k"}}})
    assert refusal(JobCreate, missing) == "Field env_vars.A.secret_key_ref.name is required."
    assert refusal(JobCreate, of_job(env_vars={"A": []})) == "Field env_vars.A: should be a valid string."


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (of_job(files={"/etc/passwd": ""}), "Field files./etc/passwd: should be a path below the working directory,"),
        (of_task(env_vars={"a b": ""}), "Field tasks[0].env_vars.a b: should have letters, digits and _ only,"),
        (of_task(key="a b"), "Field tasks[0].key: should have letters, digits, - and _ only,"),
    ],
)
def test_a_pattern_is_told_in_words_and_with_the_fields_of_rest(body: dict[str, Any], sentence: str) -> None:
    assert refusal(JobCreate, body).startswith(sentence)


def test_the_openapi_document_has_the_patterns_of_keys(schemas: dict[str, Any]) -> None:
    for field, word in (("env_vars", "A"), ("files", "a/b.py")):
        names = options(schemas["JobCreate"]["properties"][field])[0]["propertyNames"]
        assert re.fullmatch(names["pattern"], word)


def test_a_parameter_has_a_name() -> None:
    for model, body in ((JobCreate, of_job(params={"": 1})), (RunStart, {"params": {"": 1}})):
        assert refusal(model, body) == "Field params.'': String should have at least 1 character."


def test_null_and_empty_still_mean_absent() -> None:
    assert refusal(JobUpdate, {"image": "", "env_vars": None, "files": None, "params": None, "tasks": None}) == ""
    assert refusal(RunStart, {"params": None}) == ""
    assert refusal(RunSubmit, {"command": "x", "image": ""}) == ""
