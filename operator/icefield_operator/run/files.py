"""Pure: a run's inline files, from its spec into the working directory of its tasks.

Kubernetes mounts a ConfigMap read-only, and makes the folders above a mounted file as root. So the ConfigMap is mounted
elsewhere, and the task's own shell copies its files before the command: they and their folders are the task's.
"""

from __future__ import annotations

from icefield_crds import Execution, Run, names
from icefield_kube.client import Manifest

DIRECTORY = "/icefield-files"
VOLUME = "files"
_INDEX = "index"
COPY_COMMAND = (
    f"(while read -r key path; do "
    f'case $path in */*) mkdir -p "${{path%/*}}" || exit;; esac; cp {DIRECTORY}/$key "$path" || exit; '
    f"done < {DIRECTORY}/{_INDEX}) || exit; "
)
"""What copies the files into the working directory, in any POSIX shell; a command may follow.

In a subshell: a variable of the task may be called as one here.
"""


def config_map_data(execution: Execution) -> dict[str, str]:
    """Return the data of the ConfigMap with a run's files: each under a key of its own, and which path each has."""
    files = {f"file-{number}": file for number, file in enumerate(execution.files)}
    index = "".join(f"{key} {file.path}\n" for key, file in files.items())
    return {_INDEX: index, **{key: file.content for key, file in files.items()}}


def volume(run: Run) -> Manifest:
    """Return the volume that has the files."""
    return {"name": VOLUME, "configMap": {"name": names.run_files_config_map(run.metadata.name)}}


MOUNT: Manifest = {"name": VOLUME, "mountPath": DIRECTORY, "readOnly": True}
