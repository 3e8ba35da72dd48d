"""Paths of files in a volume."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.volumes.paths import MAX_BYTES, file_path, normalised, upload_path


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("", ""),
        ("/", ""),
        ("/2026/patients.csv", "2026/patients.csv"),
        ("a//b/./c/", "a/b/c"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("%2e%2e/x", "%2e%2e/x"),
        ("C:\\x", "C:\\x"),
    ],
)
def test_paths_are_below_the_volume(path: str, clean: str) -> None:
    assert normalised(path) == clean


@pytest.mark.parametrize("path", ["..", "a/../b", "/..", "../../etc/passwd", "a\x00b", "a\nb", "x" * (MAX_BYTES + 1)])
def test_paths_that_leave_it_or_are_no_keys_are_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        normalised(path)


@pytest.mark.parametrize(
    ("path", "filename", "place"),
    [
        (None, "f.csv", "f.csv"),
        ("", "f.csv", "f.csv"),
        ("/", "f.csv", "f.csv"),
        ("a/", "f.csv", "a/f.csv"),
        ("a/b.csv", "f.csv", "a/b.csv"),
        (None, "../../f.csv", "f.csv"),
        (None, "C:\\data\\f.csv", "f.csv"),
    ],
)
def test_uploads_go_where_the_path_says(path: str | None, filename: str, place: str) -> None:
    assert upload_path(path, filename) == place


def test_a_folder_is_no_file() -> None:
    for path in ("", "/", "a/"):
        with pytest.raises(BadRequest):
            file_path(path)
    with pytest.raises(BadRequest):
        upload_path(None, None)
