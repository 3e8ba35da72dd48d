"""Keys and prefixes in the platform's bucket.

    workspaces/<slug>/…                                     readable with the workspace's own credentials
    workspaces/<slug>/tables/…                              Iceberg tables, written through the catalog
    workspaces/<slug>/volumes/<database>/<volume>/…         files of volumes
    workspaces/<slug>/results/<statement>.arrow             Arrow IPC stream: the result of a SQL statement, for a day
    workspaces/<slug>/runs/<run uid>/result.arrow           Arrow IPC stream: the result of a Polars workload
    workspaces/<slug>/artifacts/<artifact>/<file>           programs for Spark
    workspaces/<slug>/environments/<digest>.tar.gz          environments of requirements
    owners/<slug>.json                                      whose data it is, out of the workspace's reach
    deletions/<workspace uid>                               record that the data of this Workspace was deleted
    logs/<slug>/<run uid>/<task>/<attempt>/000000.jsonl.gz  archived logs, readable with the platform's credentials only
    logs/<slug>/<run uid>/<task>/<attempt>/_complete        marker that no more parts follow: {"parts": n}
    logs/<slug>/<run uid>/<task>/<attempt>/_incomplete      marker that lines are missing in the log, which says where
    logs/<slug>/<run uid>/<task>/<attempt>/_start_unknown   marker that its first lines may be missing

The format of archived logs is `icefield_crds.wire.log_line`.
"""

from __future__ import annotations

PLATFORM_FOLDERS = frozenset({"tables", "results", "runs", "artifacts"})
"""Folders of a workspace's prefix that hold no files for statements to read or write: data of tables is read through
the catalog, and results of statements and workloads, and programs, are read through the API."""
LOG_PART_SUFFIX = ".jsonl.gz"
LOG_COMPLETE = "_complete"
LOG_INCOMPLETE = "_incomplete"
LOG_START_UNKNOWN = "_start_unknown"
MAX_LOG_MESSAGE_BYTES = 256 * 1024
"""A longer line of a log is kept in pieces of about this size; `icefield_crds.wire.log_stream` cuts it."""


def workspace_prefix(workspace: str) -> str:
    """Return the prefix that belongs to a workspace, without a slash at its end (ICEFIELD_PREFIX in its pods)."""
    return f"workspaces/{workspace}"


def logs_prefix(workspace: str) -> str:
    """Return the prefix of all archived logs of a workspace, without a slash at its end."""
    return f"logs/{workspace}"


def owner_key(workspace: str) -> str:
    """Return the key of the record whose data a workspace's prefixes have."""
    return f"owners/{workspace}.json"


def deletion_key(workspace_uid: str) -> str:
    """Return the key of the record that the data of a Workspace of this metadata.uid was deleted."""
    return f"deletions/{workspace_uid}"


def attempt_log_prefix(workspace: str, run_uid: str, task_key: str, attempt: int) -> str:
    """Return the prefix of the archived log of one attempt (counted from 0), without a slash at its end."""
    return f"{logs_prefix(workspace)}/{run_uid}/{task_key}/{attempt}"


def log_part_key(attempt_prefix: str, part: int) -> str:
    """Return the key of one part (counted from 0) of an attempt's log; keys sort in the order of the parts."""
    return f"{attempt_prefix}/{part:06d}{LOG_PART_SUFFIX}"


def log_complete_key(attempt_prefix: str) -> str:
    """Return the key of the marker that no more parts of an attempt's log follow."""
    return f"{attempt_prefix}/{LOG_COMPLETE}"


def log_incomplete_key(attempt_prefix: str) -> str:
    """Return the key of the marker that lines of an attempt's log are missing."""
    return f"{attempt_prefix}/{LOG_INCOMPLETE}"


def log_start_unknown_key(attempt_prefix: str) -> str:
    """Return the key of the marker that it is not known whether the first lines of an attempt's log are missing."""
    return f"{attempt_prefix}/{LOG_START_UNKNOWN}"


def tables_prefix(workspace: str) -> str:
    """Return the prefix under which the workspace's catalog writes tables, without a slash at its end."""
    return f"{workspace_prefix(workspace)}/tables"


def volume_prefix(workspace: str, database: str, volume: str) -> str:
    """Return the prefix of a volume's files, without a slash at its end."""
    return f"{workspace_prefix(workspace)}/volumes/{database}/{volume}"


def result_key(workspace: str, statement: str) -> str:
    """Return the key of the result of a SQL statement."""
    return f"{workspace_prefix(workspace)}/results/{statement}.arrow"


def run_result_key(workspace: str, run_uid: str) -> str:
    """Return the key of the result of a run's Polars workload."""
    return f"{workspace_prefix(workspace)}/runs/{run_uid}/result.arrow"


def artifact_key(workspace: str, artifact: str, file: str) -> str:
    """Return the key of a program for Spark."""
    return f"{workspace_prefix(workspace)}/artifacts/{artifact}/{file}"


def environment_key(workspace: str, digest: str) -> str:
    """Return the key of an environment of requirements."""
    return f"{workspace_prefix(workspace)}/environments/{digest}.tar.gz"
