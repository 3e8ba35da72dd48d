"""Where the paths of files in statements are in the object store, and which of them statements may not read."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.features.volumes.places import path_prefix, place_in_store
from icefield_sql import FilePath, SqlError

ROOT = StoreRoot("bucket", "workspaces/acme")


def in_store(path: str, bucket: str = "bucket") -> FilePath:
    """Return an s3:// address."""
    return FilePath(f"s3://{bucket}/{path}", None, None, bucket, path)


@pytest.mark.parametrize(
    "path", ["volumes/sales/raw/a.csv", "mine/a.csv", "a.csv", "*.csv", "mine/**/*.csv", "tablespace/a.csv"]
)
def test_the_workspaces_own_files_are_read(path: str) -> None:
    place = place_in_store(in_store(f"workspaces/acme/{path}"), ROOT)
    assert (place.prefix, place.path, place.shown) == ("workspaces/acme", path, "s3://bucket/workspaces/acme/")


@pytest.mark.parametrize(
    "path",
    [
        in_store("workspaces/other/a.csv"),
        in_store("workspaces/acmed/a.csv"),
        in_store("workspaces/acme"),
        in_store("workspaces/acme/"),
        in_store("logs/acme/a"),
        in_store("owners/acme.json"),
        in_store("*/acme/a.csv"),
        in_store("workspaces/*/a.csv"),
        in_store("workspaces/acme/a.csv", "other"),
        in_store("workspaces/acme/results/stmt_1.arrow"),
        in_store("workspaces/acme/tables/sales/orders/data/1.parquet"),
        in_store("workspaces/acme/runs/1/result.arrow"),
        in_store("workspaces/acme/artifacts/a/b.py"),
        in_store("workspaces/acme/**"),
        in_store("workspaces/acme/*/a"),
        in_store("workspaces/acme/result[s]/a"),
    ],
    ids=lambda path: path.text,
)
def test_nothing_else_is(path: FilePath) -> None:
    with pytest.raises(SqlError):
        place_in_store(path, ROOT)


@pytest.mark.parametrize(
    ("path", "prefix"), [("a/b*.csv", "a/b"), ("a/b.csv", "a/b.csv"), ("a/", "a/"), ("a/[b]?", "a/"), ("**", "")]
)
def test_what_of_a_pattern_stands_for_itself_is_listed(path: str, prefix: str) -> None:
    assert path_prefix(path) == prefix
