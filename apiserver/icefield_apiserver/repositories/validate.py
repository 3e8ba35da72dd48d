"""What is wrong with a job or a run, said in one sentence before anything is created. Pure.

Kubernetes would refuse most of it too (the schema's CEL rules), and the operator the rest (cycles); but a caller is
told at once, and in the words of the REST API.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from icefield_crds import Execution, JobSpec, Task
from icefield_crds.dag import cycle, unknown_dependency
from icefield_crds.execution import MAX_FILES_BYTES

_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/?#-]+")


def problem_of_job(spec: JobSpec) -> str | None:
    """Say what is wrong with a job, or return None."""
    if spec.command is None and spec.tasks is None:
        return "A job needs a command or tasks."
    if spec.schedule is not None and not _is_cron(spec.schedule):
        return f"The schedule {spec.schedule!r} is not a cron expression of five fields."
    return problem_of_execution(spec)


def problem_of_execution(spec: Execution) -> str | None:
    """Say what is wrong with what shall run, or return None."""
    if sum(len(file.content.encode()) for file in spec.files) > MAX_FILES_BYTES:
        return f"The files are together longer than {MAX_FILES_BYTES} bytes; put large ones into the object store."
    return problem_of_tasks(spec.tasks or [])


def problem_of_tasks(tasks: Sequence[Task]) -> str | None:
    """Say what is wrong with a DAG (a key twice, an unknown dependency, a circle), or return None."""
    keys = Counter(task.key for task in tasks)
    if twice := next((key for key, count in keys.items() if count > 1), None):
        return f"Two tasks have the key {twice}."
    for task in tasks:
        if task.key in task.depends_on:
            return f"Task {task.key} depends on itself."
    if unknown := unknown_dependency(tasks):
        return f"Task {unknown[0]} depends on {unknown[1]}, which is not a task of this job."
    if path := cycle(tasks):
        return f"The tasks depend on each other in a cycle: {' -> '.join(path)}."
    return None


def flavors_of(spec: Execution) -> set[str]:
    """Return the names of the flavors that something asks for."""
    return {flavor for flavor in (spec.flavor, *(task.flavor for task in spec.tasks or ())) if flavor}


def _is_cron(schedule: str) -> bool:
    fields = schedule.split()
    return len(fields) == 5 and all(_CRON_FIELD.fullmatch(field) for field in fields)
