"""The state of a cluster is read back, and other files are not touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from icefield_cluster import lifecycle
from icefield_cluster.cli import app
from icefield_cluster.errors import ClusterError
from icefield_cluster.processes import Process
from icefield_cluster.state import ClusterState, check_name, load, write_private


def test_everything_is_read_back(tmp_path: Path) -> None:
    state = ClusterState(tmp_path, "x", "standalone", number=3, api_url="https://10.200.3.2:30443")
    state.processes["etcd"] = Process("etcd", 7, 99, ("etcd", "--flag"), "abc")
    state.images["runtime"] = "0123"
    state.save()
    assert load(tmp_path) == state


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ClusterError, match=r"state\.json is not a state file"):
        load(tmp_path)


def test_what_is_there_is_named_where_a_name_is_not(tmp_path: Path) -> None:
    error = lifecycle.no_cluster(tmp_path / "typo", "typo")
    assert (error.message, error.fix) == ("no cluster typo here", "")
    for name in ("b", "a"):
        ClusterState(tmp_path / name, name, "kind").save()
    assert lifecycle.no_cluster(tmp_path / "typo", "typo").fix == "there are: a, b"


def test_down_of_a_name_that_does_not_exist_fails(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["down", "--name", "typo", "--state-dir", str(tmp_path / "typo")])
    assert result.exit_code == 1
    assert not (tmp_path / "typo").exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ClusterError, match="has files that do not belong to a cluster"):
        lifecycle.open_or_create(tmp_path, "x", "standalone")


def test_a_cluster_keeps_its_provider(tmp_path: Path) -> None:
    ClusterState(tmp_path, "x", "kind").save()
    assert lifecycle.open_or_create(tmp_path, "x", "auto").provider == "kind"
    with pytest.raises(ClusterError, match="already exists, with provider kind"):
        lifecycle.open_or_create(tmp_path, "x", "standalone")


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "-a", "a" * 33])
def test_names_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(ClusterError):
        check_name(name)


def test_private_files_are_private_from_the_start(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
