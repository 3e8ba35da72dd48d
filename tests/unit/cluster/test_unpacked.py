"""Nodes share the files of unpacked images, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from icefield_cluster.standalone.unpacked import COPIED, LINKED, link


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    root = tmp_path / "ready"
    for folder in LINKED:
        (root / folder / "1/fs").mkdir(parents=True, mode=0o710)
        (root / folder / "1/fs/file").write_text("content")
        (root / folder / "1/fs/link").symlink_to("file")
    for file in COPIED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("database")
    (root / "other").write_text("of this node only")
    return root


def test_files_of_images_are_shared_and_databases_are_not(ready: Path, tmp_path: Path) -> None:
    link(ready, tmp_path / "node")
    for folder in LINKED:
        file = tmp_path / "node" / folder / "1/fs/file"
        assert file.samefile(ready / folder / "1/fs/file")
        assert file.parent.stat().st_mode & 0o777 == 0o710
        assert (file.parent / "link").is_symlink()
    for name in COPIED:
        assert (tmp_path / "node" / name).read_text() == "database"
        assert not (tmp_path / "node" / name).samefile(ready / name)
    assert not (tmp_path / "node" / "other").exists()


def test_an_interrupted_link_is_started_again(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "node.partial" / LINKED[0] / "half").mkdir(parents=True)
    link(ready, tmp_path / "node")
    assert not (tmp_path / "node" / LINKED[0] / "half").exists()
    assert not (tmp_path / "node.partial").exists()


def test_what_cannot_be_linked_is_no_node(ready: Path, tmp_path: Path) -> None:
    (ready / COPIED[0]).unlink()
    with pytest.raises(FileNotFoundError):
        link(ready, tmp_path / "node")
    assert not (tmp_path / "node").exists()
