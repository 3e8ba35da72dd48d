"""Inline files: what the task's shell makes of the ConfigMap."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from icefield_crds import RunSpec
from icefield_operator.run import files

SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


def _run(shell: str, folder: Path, spec: RunSpec, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command after the files were copied, as a task does."""
    mounted, working = folder / "mounted", folder / "workspace"
    mounted.mkdir()
    working.mkdir()
    for key, content in files.config_map_data(spec).items():
        (mounted / key).write_text(content)
        (mounted / key).chmod(0o644)
    script = files.COPY_COMMAND.replace(files.DIRECTORY, str(mounted)) + command
    env = {**os.environ, "key": "mine", "path": "too"}
    argv = [shell, "sh", "-c", script] if shell == "busybox" else [shell, "-c", script]
    return subprocess.run(
        argv, cwd=working, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_files_and_their_folders_are_the_tasks_own(shell: str, tmp_path: Path) -> None:
    texts = {"sql/a.sql": "select 1", "run.py": "", "a/b/c.txt": "ä\\n $x `y`\n"}
    spec = RunSpec(files=[{"path": path, "content": text} for path, text in texts.items()])
    done = _run(
        shell, tmp_path, spec, "touch sql/out.txt; mkdir sql/target; echo x >> sql/a.sql; rm run.py; cat a/b/c.txt"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == texts["a/b/c.txt"]
    assert (tmp_path / "workspace/sql/a.sql").read_text() == "select 1x\n"
    assert sorted(path.name for path in (tmp_path / "workspace").iterdir()) == ["a", "sql"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_commands_input_variables_and_exit_code_are_its_own(shell: str, tmp_path: Path) -> None:
    spec = RunSpec(files=[{"path": "a", "content": "1"}])
    done = _run(shell, tmp_path, spec, 'echo "$key $path"; cat; exit 7')
    assert (done.returncode, done.stdout) == (7, "mine too\n")


def test_a_file_that_cannot_be_written_ends_the_task(tmp_path: Path) -> None:
    spec = RunSpec(files=[{"path": "a", "content": "1"}, {"path": "a/b", "content": "2"}])
    done = _run("sh", tmp_path, spec, "echo not reached")
    assert done.returncode != 0
    assert "not reached" not in done.stdout
