"""Only jars of the lock are used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from icefield_cluster import jars
from icefield_cluster.commands import Argument
from icefield_cluster.errors import ClusterError

CONTENT = b"a jar"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock with one jar, and a Maven that fetches it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "jars.txt"
    file.write_text(f"# a comment\n{SHA256} org.example:tool:1.2 catalog,warehouse\n{'0' * 64} org.other:x:3 other\n")
    monkeypatch.setattr(jars, "LOCK", file)

    def fetch(argv: Sequence[Argument], **_: object) -> None:
        (target,) = (str(word).partition("=")[2] for word in argv if str(word).startswith("-DoutputDirectory="))
        jar = Path(target, "org", "example", "tool", "1.2", "tool-1.2.jar")
        jar.parent.mkdir(parents=True)
        jar.write_bytes(CONTENT)

    monkeypatch.setattr(jars, "run", fetch)
    return file


def test_a_set_is_fetched_once(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = jars.ensure("warehouse", tmp_path / "log")
    assert [path.name for path in folder.iterdir()] == ["tool-1.2.jar"]
    monkeypatch.setattr(jars, "run", None)
    assert jars.ensure("warehouse", tmp_path / "log") == folder


@pytest.mark.parametrize(("old", "new"), [(SHA256, "1" * 64), ("tool:1.2", "tool:1.3"), ("x:3 other", "x:3 warehouse")])
def test_a_jar_that_differs_from_the_lock_is_not_used(lock: Path, tmp_path: Path, old: str, new: str) -> None:
    key = jars.key_of("warehouse")
    lock.write_text(lock.read_text().replace(old, new))
    assert jars.key_of("warehouse") != key
    with pytest.raises(ClusterError, match="differ from"):
        jars.ensure("warehouse", tmp_path / "log")
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_an_unknown_set_is_an_error(lock: Path) -> None:
    with pytest.raises(ClusterError, match="no set of jars named nothing"):
        jars.locked_jars("nothing")


def test_writing_the_lock_names_the_sets_of_each_jar(lock: Path, tmp_path: Path) -> None:
    jars.write_lock(tmp_path / "log")
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    assert lines == [f"{SHA256} org.example:tool:1.2 catalog,warehouse"]
