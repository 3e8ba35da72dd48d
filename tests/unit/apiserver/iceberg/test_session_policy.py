"""Which part of the bucket the keys of a session open."""

from __future__ import annotations

import json

import pytest

from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.features.iceberg.session_policy import READ, READ_WRITE, session_policy, table_prefix

ROOT = StoreRoot("lake", "workspaces/demo")


@pytest.mark.parametrize(
    ("location", "prefix"),
    [
        ("s3://lake/workspaces/demo/tables/sales/orders-1f", "workspaces/demo/tables/sales/orders-1f"),
        ("s3://lake/workspaces/demo/tables/sales/orders-1f/", "workspaces/demo/tables/sales/orders-1f"),
        ("s3a://lake/workspaces/demo/t", "workspaces/demo/t"),
        ("s3n://lake/workspaces/demo/größe 1%2F", "workspaces/demo/größe 1%2F"),
    ],
)
def test_the_prefix_of_a_table(location: str, prefix: str) -> None:
    assert table_prefix(location, ROOT) == prefix


@pytest.mark.parametrize(
    "location",
    [
        "",
        "s3://lake",
        "s3://lake/",
        "s3://lake/workspaces",
        "s3://lake/workspaces/demo",
        "s3://lake/workspaces/demo/",
        "s3://lake/workspaces/demo//",
        "s3://lake/workspaces/demo2/t",
        "s3://lake/workspaces/other/t",
        "s3://other/workspaces/demo/t",
        "s3://lake@other/workspaces/demo/t",
        "s3://lake/workspaces/demo/../other/t",
        "s3://lake/workspaces/demo/./t",
        "s3://lake/workspaces/demo//t",
        "s3://lake//workspaces/demo/t",
        "s3://lake/workspaces/demo/*",
        "s3://lake/workspaces/demo/t?",
        "s3://lake/workspaces/demo/${aws:username}",
        "s3://lake/workspaces/demo/t\n",
        "S3://lake/workspaces/demo/t",
        "gs://lake/workspaces/demo/t",
        "file:///workspaces/demo/t",
        "workspaces/demo/t",
    ],
)
def test_what_is_not_plainly_the_workspaces_opens_nothing(location: str) -> None:
    assert table_prefix(location, ROOT) is None


def test_a_reader_reads_one_table() -> None:
    assert json.loads(session_policy("lake", "workspaces/demo/t", READ)) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::lake/workspaces/demo/t/*"]},
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::lake"],
                "Condition": {"StringLike": {"s3:prefix": ["workspaces/demo/t/*"]}},
            },
        ],
    }


def test_a_writer_also_changes_it() -> None:
    objects, listing = json.loads(session_policy("lake", "workspaces/demo/t", READ_WRITE))["Statement"]
    assert set(objects["Action"]) == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    }
    assert objects["Resource"] == ["arn:aws:s3:::lake/workspaces/demo/t/*"]
    assert listing["Action"] == ["s3:ListBucket"]


def test_a_policy_is_within_the_limits_of_sts() -> None:
    database, table = "ö" * 40, "t" * 128
    policy = session_policy("b" * 63, f"workspaces/{'w' * 54}/tables/{database}/{table}-{'0' * 32}", READ_WRITE)
    assert policy.isascii()
    assert len(policy) <= 2048
