"""REST schemas of what a job or a run executes: snake_case, and maps instead of Kubernetes' lists of named items."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from icefield_apiserver.core.errors import BadRequest, validation_sentence
from icefield_crds import EnvVar, Execution, RunPhase, Task
from icefield_crds.execution import (
    DEFAULT_DISRUPTION_RETRIES,
    IMAGE,
    MAX_DEPENDENCIES,
    MAX_DISRUPTION_RETRIES,
    MAX_FILE_LENGTH,
    MAX_FILES,
    MAX_NAME_LENGTH,
    MAX_PARAMS,
    MAX_RETRIES,
    MAX_SECONDS,
    MAX_TASKS,
    MAX_VALUE_LENGTH,
    MAX_VARIABLES,
    Command,
    FilePath,
    Lock,
    ShortText,
    TaskKey,
    VariableName,
)
from icefield_crds.requirements import MAX_REQUIREMENTS, Requirement
from icefield_crds.stored_size import MAX_FILES_BYTES

from .schemas import AtMost, RequestBody

T = TypeVar("T")

EmptyAsAbsent = BeforeValidator(lambda value: None if value == "" else value)
"""An empty string means absent: clients with typed fields send it."""

Retries = Annotated[int | None, Field(ge=0, le=MAX_RETRIES)]
DisruptionRetries = Annotated[int | None, Field(ge=0, le=MAX_DISRUPTION_RETRIES)]
Seconds = Annotated[int | None, Field(ge=1, le=MAX_SECONDS)]
OptionalText = Annotated[str | None, EmptyAsAbsent]
OptionalName = Annotated[ShortText | None, EmptyAsAbsent]
OptionalImage = Annotated[Annotated[ShortText, Field(pattern=IMAGE)] | None, EmptyAsAbsent]
OptionalCommand = Annotated[Command | None, EmptyAsAbsent]


class KeyReference(BaseModel):
    """One key of a Secret or ConfigMap in the workspace's namespace."""

    name: str = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(description="Key in the Secret or ConfigMap.")


class EnvReference(BaseModel):
    """The source of a variable's value."""

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")


class KeyReferenceWrite(RequestBody, KeyReference):
    """One key of a Secret or ConfigMap in the workspace's namespace, as requests have it."""

    name: ShortText = Field(description="Name of the Secret or ConfigMap.")
    key: ShortText = Field(description="Key in the Secret or ConfigMap.")


class EnvReferenceWrite(RequestBody, EnvReference):
    """The source of a variable's value, as requests have it."""

    secret_key_ref: KeyReferenceWrite | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReferenceWrite | None = Field(default=None, description="A key of a ConfigMap.")


EnvVars = dict[str, str | bool | int | float | EnvReference]
Value = Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]
EnvVarsWrite = Annotated[dict[VariableName, Value | bool | int | float | EnvReferenceWrite], AtMost(MAX_VARIABLES)]
FilesWrite = Annotated[dict[FilePath, Annotated[str, Field(max_length=MAX_FILE_LENGTH)]], AtMost(MAX_FILES)]
ParamName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
RequirementsWrite = Annotated[list[Requirement], AtMost(MAX_REQUIREMENTS)]
OptionalLock = Annotated[Lock | None, EmptyAsAbsent]
LOCK = "A pylock.toml, or requirements with hashes, in place of requirements."
Params = Annotated[dict[ParamName, Any], AtMost(MAX_PARAMS)]
_REST_NAMES = {"env": "env_vars", "dependsOn": "depends_on", "timeZone": "time_zone"}
_SAME_IN_TASK = (
    "key",
    "command",
    "image",
    "flavor",
    "lock",
    "max_retries",
    "max_disruption_retries",
    "timeout_seconds",
)


class TaskWrite(RequestBody):
    """One node of a DAG."""

    key: TaskKey = Field(description="Name of the task, unique in its job.")
    command: Command = Field(description="Shell command, run by `sh -c`.")
    depends_on: Annotated[list[TaskKey], AtMost(MAX_DEPENDENCIES)] | None = Field(
        default=None, description="Keys of the tasks that must succeed first."
    )
    image: OptionalImage = Field(default=None, description="Container image; the job's when absent.")
    flavor: OptionalName = Field(default=None, description="Flavor; the job's when absent.")
    env_vars: EnvVarsWrite | None = Field(default=None, description="Environment variables; they override the job's.")
    requirements: RequirementsWrite | None = Field(
        default=None, description="Python packages that it needs (PEP 508), besides the job's."
    )
    lock: OptionalLock = Field(default=None, description=f"{LOCK[:-1]} and lock of the job.")
    max_retries: Retries = Field(default=None, description="How often it is retried when it fails.")
    max_disruption_retries: DisruptionRetries = Field(
        default=None, description="How often it is started again when the cluster ended it; the job's when absent."
    )
    timeout_seconds: Seconds = Field(default=None, description="Timeout of one attempt.")

    def to_spec(self) -> dict[str, Any]:
        """Return the fields of a Task; they are validated when the whole spec is built."""
        return {
            **{name: getattr(self, name) for name in _SAME_IN_TASK},
            "depends_on": list(dict.fromkeys(self.depends_on or ())),
            "env": to_env(self.env_vars),
            "requirements": self.requirements or [],
        }


class TaskRead(BaseModel):
    """One declared node of a DAG."""

    key: str = Field(description="Key of the task.")
    command: str = Field(description="Shell command, run by `sh -c`.")
    depends_on: list[str] = Field(description="Keys of the tasks that must succeed first.")
    image: str | None = Field(description="Container image; the job's when null.")
    flavor: str | None = Field(description="Flavor; the job's when null.")
    env_vars: EnvVars = Field(description="Environment variables.")
    requirements: list[str] = Field(description="Python packages that it needs, besides the job's.")
    lock: str | None = Field(description=LOCK)
    max_retries: int | None = Field(description="How often it is retried; the job's when null.")
    max_disruption_retries: int | None = Field(
        description="How often it is started again when the cluster ended it; the job's when null."
    )
    timeout_seconds: int | None = Field(description="Timeout of one attempt.")

    @classmethod
    def of(cls, task: Task) -> TaskRead:
        """Return the task as REST shows it."""
        fields = {name: getattr(task, name) for name in _SAME_IN_TASK}
        return cls(**fields, depends_on=task.depends_on, env_vars=from_env(task.env), requirements=task.requirements)


class ExecutionWrite(RequestBody):
    """A command or tasks, and how they run."""

    command: OptionalCommand = Field(default=None, description="Shell command (`sh -c`), when there are no tasks.")
    tasks: Annotated[list[TaskWrite], AtMost(MAX_TASKS)] | None = Field(default=None, description="Tasks of the DAG.")
    image: OptionalImage = Field(default=None, description="Container image; the platform's runtime when absent.")
    flavor: OptionalName = Field(default=None, description="Flavor of each task; the workspace's when absent.")
    env_vars: EnvVarsWrite | None = Field(default=None, description="Environment variables of every task.")
    files: FilesWrite | None = Field(
        default=None,
        description="Text files placed in every task's working directory: path to text; "
        f"{MAX_FILES_BYTES} bytes together.",
    )
    params: Params | None = Field(
        default=None,
        description="Parameters: PARAM_<NAME> in a task, no two the same; values other than strings become JSON, of "
        f"{MAX_VALUE_LENGTH} characters at most.",
    )
    requirements: RequirementsWrite | None = Field(
        default=None, description="Python packages that every task needs (PEP 508)."
    )
    lock: OptionalLock = Field(default=None, description=LOCK)
    timeout_seconds: Seconds = Field(default=None, description="Timeout of a whole run.")
    max_retries: Retries = Field(default=None, description="How often a failed task is retried by default.")
    max_disruption_retries: DisruptionRetries = Field(
        default=None,
        description="How often a task is started again by default when the cluster ended it (eviction, drain, lost "
        f"node, deleted pod); {DEFAULT_DISRUPTION_RETRIES} when absent.",
    )

    def execution_fields(self, *, only_given: bool = False) -> dict[str, Any]:
        """Return the fields of an Execution except command and tasks.

        Args:
            only_given: leave out fields that are not in the request.
        """
        fields = {
            "image": ("image", self.image),
            "flavor": ("flavor", self.flavor),
            "env": ("env_vars", to_env(self.env_vars)),
            "files": ("files", [{"path": path, "content": text} for path, text in (self.files or {}).items()]),
            "params": ("params", to_params(self.params)),
            "requirements": ("requirements", self.requirements or []),
            "lock": ("lock", self.lock),
            "timeout_seconds": ("timeout_seconds", self.timeout_seconds),
            "max_retries": ("max_retries", self.max_retries),
            "max_disruption_retries": ("max_disruption_retries", self.max_disruption_retries),
        }
        given = self.model_fields_set
        return {name: value for name, (field, value) in fields.items() if not only_given or field in given}

    def check_work(self, sentence: str) -> None:
        """Refuse a command beside tasks.

        Raises:
            BadRequest: the request has both; with this sentence.
        """
        if self.tasks and self.command is not None:
            raise BadRequest(sentence)

    def task_specs(self) -> list[dict[str, Any]] | None:
        """Return the fields of each Task; None when the request has no tasks."""
        return None if self.tasks is None else [task.to_spec() for task in self.tasks]


class RunStarted(BaseModel):
    """A run that was just created."""

    run_id: str = Field(description="Id of the new run.", examples=["run_4812c0ffee00"])
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")


class ExecutionRead(BaseModel):
    """The declared command or tasks, and how they run."""

    command: str | None = Field(description="Shell command (`sh -c`), when there are no tasks.")
    tasks: list[TaskRead] | None = Field(description="Tasks of the DAG; null for a single command.")
    image: str | None = Field(description="Container image; the platform's runtime when null.")
    flavor: str | None = Field(description="Flavor of each task; the workspace's when null.")
    env_vars: EnvVars = Field(description="Environment variables of every task.")
    params: dict[str, str] = Field(description="Parameters.")
    requirements: list[str] = Field(description="Python packages that every task needs.")
    lock: str | None = Field(description=LOCK)
    timeout_seconds: int | None = Field(description="Timeout of a whole run.")
    max_retries: int | None = Field(description="How often a failed task is retried by default.")
    max_disruption_retries: int | None = Field(
        description="How often a task is started again by default when the cluster ended it; "
        f"{DEFAULT_DISRUPTION_RETRIES} when null."
    )


def execution_of(spec: Execution) -> dict[str, Any]:
    """Return the fields of ExecutionRead for an Execution."""
    return {
        "command": spec.command,
        "tasks": None if spec.tasks is None else [TaskRead.of(task) for task in spec.tasks],
        "image": spec.image,
        "flavor": spec.flavor,
        "env_vars": from_env(spec.env),
        "params": spec.params,
        "requirements": spec.requirements,
        "lock": spec.lock,
        "timeout_seconds": spec.timeout_seconds,
        "max_retries": spec.max_retries,
        "max_disruption_retries": spec.max_disruption_retries,
    }


def to_env(env_vars: EnvVarsWrite | None) -> list[dict[str, Any]]:
    """Return a map of variables as the fields of a list of EnvVar; values other than strings become JSON."""
    return [
        {"name": name, "value_from": value.model_dump()}
        if isinstance(value, EnvReference)
        else {"name": name, "value": as_text(value)}
        for name, value in (env_vars or {}).items()
    ]


def from_env(env: list[EnvVar]) -> EnvVars:
    """Return a container's list of variables as a map."""
    return {
        v.name: EnvReference.model_validate(v.value_from.model_dump()) if v.value_from else v.value or "" for v in env
    }


def to_params(params: Params | None) -> dict[str, str]:
    """Return parameters as strings for the tasks; values other than strings become JSON."""
    return {name: as_text(value) for name, value in (params or {}).items()}


def as_text(value: Any) -> str:
    """Return a string unchanged, and any other JSON value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def build_spec(build: Callable[[], T]) -> T:
    """Return what a function builds from the fields of a request.

    Raises:
        BadRequest: a value cannot be stored; the message names the request's field.
    """
    try:
        return build()
    except ValidationError as error:
        first = error.errors()[0]
        location = ("body", *(_REST_NAMES.get(str(part), part) for part in first["loc"]))
        raise BadRequest(validation_sentence([{**first, "loc": location}])) from error
