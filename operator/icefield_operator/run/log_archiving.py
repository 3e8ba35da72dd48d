"""Pure: what the status of a Run records of its archived logs."""

from __future__ import annotations

from collections.abc import Collection

from icefield_crds import AttemptStatus, Run, RunStatus
from icefield_crds.names import workspace_of
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.logs.attempt import Attempt, ContainerState


def record_archived_logs(status: RunStatus, run_uid: str, logs: LogArchive) -> RunStatus:
    """Return the status with each attempt marked whose log is archived by now, and where lines of it are missing."""

    def mark(key: str, attempt: AttemptStatus) -> AttemptStatus:
        if attempt.logs_archived or not attempt.status.is_terminal:
            return attempt
        if not logs.is_complete(run_uid, key, attempt.attempt):
            return attempt
        complete = False if logs.misses_lines(run_uid, key, attempt.attempt) else None
        is_unknown = logs.has_unknown_start(run_uid, key, attempt.attempt)
        return attempt.model_copy(
            update={"logs_archived": True, "logs_complete": complete, "logs_start_unknown": is_unknown}
        )

    tasks = [
        task.model_copy(update={"attempts": [mark(task.key, attempt) for attempt in task.attempts]})
        for task in status.tasks
    ]
    return status.model_copy(update={"tasks": tasks})


def logs_are_archived(status: RunStatus) -> bool:
    """Return whether the logs of all attempts are archived."""
    return all(attempt.logs_archived for attempt in status.attempts)


def attempts_without_log(run: Run, status: RunStatus, pods: Collection[str]) -> list[tuple[Attempt, ContainerState]]:
    """Return the attempts whose pod was deleted before their log was archived, and what their containers came to.

    Args:
        run: the run.
        status: its status.
        pods: names of the pods that the run still has.
    """
    namespace = run.metadata.namespace or ""
    return [
        (
            Attempt(
                namespace=namespace,
                pod=attempt.pod_name,
                workspace=workspace_of(namespace) or "",
                run=run.metadata.name,
                run_uid=run.metadata.uid,
                task=task.key,
                attempt=attempt.attempt,
            ),
            ContainerState.ENDED if attempt.start_time else ContainerState.NEVER_STARTED,
        )
        for task in status.tasks
        for attempt in task.attempts
        if not attempt.logs_archived and attempt.pod_name not in pods
    ]
