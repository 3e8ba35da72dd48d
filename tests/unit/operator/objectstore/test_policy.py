"""The bucket policy: who may open what, as a pure function of the list of workspaces."""

from __future__ import annotations

import json

from icefield_operator.objectstore.policy import bucket_policy, user_of


def test_the_policy_does_not_depend_on_the_order_of_workspaces() -> None:
    assert bucket_policy("lake", ["b", "a", "b"]) == bucket_policy("lake", ["a", "b"])


def test_no_workspace_means_no_policy() -> None:
    assert bucket_policy("lake", []) is None


def test_each_workspace_gets_its_own_prefix_and_nothing_else() -> None:
    statements = json.loads(bucket_policy("lake", ["demo", "other"]) or "")["Statement"]
    assert {s["Principal"]["AWS"] for s in statements} == {user_of("demo"), user_of("other")}
    for statement in statements:
        slug = statement["Principal"]["AWS"].removeprefix("icefield-")
        if statement["Action"] == "s3:ListBucket":
            assert statement["Resource"] == "arn:aws:s3:::lake"
            assert statement["Condition"] == {"StringLike": {"s3:prefix": f"workspaces/{slug}/*"}}
        else:
            assert statement["Resource"] == f"arn:aws:s3:::lake/workspaces/{slug}/*"
            assert "Condition" not in statement
            assert all(not action.endswith("*") for action in statement["Action"])
