"""What runs, as REST says it: snake_case, and maps where Kubernetes has lists of named things."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from icefield_crds import EnvVar, Execution, Task
from icefield_crds.execution import MAX_RETRIES, MAX_TASKS, Command, TaskKey

Optional = BeforeValidator(lambda value: None if value == "" else value)
"""An empty string says nothing, as clients with typed fields send it."""

Retries = Annotated[int | None, Field(ge=0, le=MAX_RETRIES)]
Seconds = Annotated[int | None, Field(ge=1, le=31_536_000)]
OptionalText = Annotated[str | None, Optional]
OptionalCommand = Annotated[Command | None, Optional]


class KeyReference(BaseModel):
    """One key of a Secret or ConfigMap in the workspace's namespace."""

    name: str = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(description="Key in it.")


class EnvReference(BaseModel):
    """Where a variable's value comes from when it is not written down."""

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")


EnvVars = dict[str, str | bool | int | float | EnvReference]
Params = dict[str, Any]
_SAME_IN_TASK = ("key", "command", "image", "flavor", "max_retries", "timeout_seconds")


class TaskWrite(BaseModel):
    """One node of a DAG."""

    key: TaskKey = Field(description="Name of the task, unique in its job.")
    command: Command = Field(description="What runs, under `sh -c`.")
    depends_on: list[TaskKey] | None = Field(default=None, description="Keys of tasks that must succeed before.")
    image: OptionalText = Field(default=None, description="Container image; the job's when absent.")
    flavor: OptionalText = Field(default=None, description="Flavor; the job's when absent.")
    env_vars: EnvVars | None = Field(default=None, description="Environment variables; they win over the job's.")
    max_retries: Retries = Field(default=None, description="How often it is tried again when it fails.")
    timeout_seconds: Seconds = Field(default=None, description="Longest time one attempt may take.")

    def to_spec(self) -> dict[str, Any]:
        """Return the fields of a Task; they are checked when what they are part of is built."""
        return {
            **{name: getattr(self, name) for name in _SAME_IN_TASK},
            "depends_on": list(dict.fromkeys(self.depends_on or ())),
            "env": to_env(self.env_vars),
        }


class TaskRead(BaseModel):
    """One node of a DAG, as it is declared."""

    key: str = Field(description="Key of the task.")
    command: str = Field(description="What runs, under `sh -c`.")
    depends_on: list[str] = Field(description="Keys of tasks that must succeed before.")
    image: str | None = Field(description="Container image; the job's when null.")
    flavor: str | None = Field(description="Flavor; the job's when null.")
    env_vars: EnvVars = Field(description="Environment variables.")
    max_retries: int | None = Field(description="How often it is tried again; the job's when null.")
    timeout_seconds: int | None = Field(description="Longest time one attempt may take.")

    @classmethod
    def of(cls, task: Task) -> TaskRead:
        """Return the task as REST shows it."""
        fields = {name: getattr(task, name) for name in Task.model_fields if name != "env"}
        return cls(**fields, env_vars=from_env(task.env))


class ExecutionWrite(BaseModel):
    """What runs, and how; when both tasks and a command are given, tasks win."""

    command: OptionalCommand = Field(default=None, description="What runs, under `sh -c`, when there is no DAG.")
    tasks: list[TaskWrite] | None = Field(default=None, max_length=MAX_TASKS, description="The DAG.")
    image: OptionalText = Field(default=None, description="Container image; the platform's runtime when absent.")
    flavor: OptionalText = Field(default=None, description="Flavor of each task; the workspace's when absent.")
    env_vars: EnvVars | None = Field(default=None, description="Environment variables of every task.")
    files: dict[str, str] | None = Field(
        default=None, description="Text files laid into every task's working directory: path to text."
    )
    params: Params | None = Field(
        default=None, description="Parameters: PARAM_<NAME> in a task; what is no string becomes JSON."
    )
    timeout_seconds: Seconds = Field(default=None, description="Longest time a whole run may take.")
    max_retries: Retries = Field(default=None, description="How often a failed task is tried again by default.")

    def execution_fields(self, *, only_given: bool = False) -> dict[str, Any]:
        """Return the fields of an Execution except command and tasks.

        Args:
            only_given: leave out what the request did not mention.
        """
        fields = {
            "image": ("image", self.image),
            "flavor": ("flavor", self.flavor),
            "env": ("env_vars", to_env(self.env_vars)),
            "files": ("files", [{"path": path, "content": text} for path, text in (self.files or {}).items()]),
            "params": ("params", to_params(self.params)),
            "timeout_seconds": ("timeout_seconds", self.timeout_seconds),
            "max_retries": ("max_retries", self.max_retries),
        }
        given = self.model_fields_set
        return {name: value for name, (field, value) in fields.items() if not only_given or field in given}

    def task_specs(self) -> list[dict[str, Any]] | None:
        """Return the fields of each Task; None when the request has no tasks."""
        return None if self.tasks is None else [task.to_spec() for task in self.tasks]


class ExecutionRead(BaseModel):
    """What runs, and how, as it is declared."""

    command: str | None = Field(description="What runs, under `sh -c`, when there is no DAG.")
    tasks: list[TaskRead] | None = Field(description="The DAG; null for a single command.")
    image: str | None = Field(description="Container image; the platform's runtime when null.")
    flavor: str | None = Field(description="Flavor of each task; the workspace's when null.")
    env_vars: EnvVars = Field(description="Environment variables of every task.")
    params: dict[str, str] = Field(description="Parameters.")
    timeout_seconds: int | None = Field(description="Longest time a whole run may take.")
    max_retries: int | None = Field(description="How often a failed task is tried again by default.")


def execution_of(spec: Execution) -> dict[str, Any]:
    """Return the fields of ExecutionRead for what Kubernetes stores."""
    return {
        "command": spec.command,
        "tasks": None if spec.tasks is None else [TaskRead.of(task) for task in spec.tasks],
        "image": spec.image,
        "flavor": spec.flavor,
        "env_vars": from_env(spec.env),
        "params": spec.params,
        "timeout_seconds": spec.timeout_seconds,
        "max_retries": spec.max_retries,
    }


def to_env(env_vars: EnvVars | None) -> list[dict[str, Any]]:
    """Return a map of variables as the fields of a list of EnvVar; what is no string becomes JSON."""
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
    """Return parameters as the strings that tasks get; what is no string becomes JSON."""
    return {name: as_text(value) for name, value in (params or {}).items()}


def as_text(value: Any) -> str:
    """Return a string as it is and any other JSON value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
