"""The bucket policy: who may open what, as a pure function of the workspaces and users there are."""

from __future__ import annotations

import json
from typing import Any

from icefield_operator.objectstore.config import Access
from icefield_operator.objectstore.member_users import MemberUser
from icefield_operator.objectstore.policy import bucket_policy, user_of


def users_of(*slugs: str) -> set[str]:
    """Return all users of these workspaces."""
    return {user_of(slug, access) for slug in slugs for access in Access}


def statements_for(policy: str | None, user: str) -> list[dict[str, Any]]:
    """Return the statements that name a user."""
    return [s for s in json.loads(policy or "")["Statement"] if user in s["Principal"]["AWS"]]


def test_the_policy_does_not_depend_on_the_order_of_workspaces() -> None:
    users = users_of("a", "b")
    assert bucket_policy("lake", ["b", "a", "b"], users) == bucket_policy("lake", ["a", "b"], users)


def test_no_workspace_means_no_policy() -> None:
    assert bucket_policy("lake", [], users_of("a")) is None
    assert bucket_policy("lake", ["a"], set()) is None


def test_a_user_that_does_not_exist_is_not_named() -> None:
    policy = bucket_policy("lake", ["demo", "other"], {user_of("demo")}) or ""
    principals = {user for statement in json.loads(policy)["Statement"] for user in statement["Principal"]["AWS"]}
    assert principals == {"icefield-demo"}


def test_no_workspaces_name_makes_its_user_the_reader_of_another() -> None:
    assert len(users_of("demo", "demo-reader", "demo-reader-reader")) == 6


def test_each_workspace_gets_its_own_prefix_and_nothing_else() -> None:
    policy = bucket_policy("lake", ["demo", "other"], users_of("demo", "other"))
    own = ["arn:aws:s3:::lake/workspaces/demo", "arn:aws:s3:::lake/workspaces/demo/*"]
    for access in Access:
        for statement in statements_for(policy, user_of("demo", access)):
            if statement["Action"] == ["s3:GetBucketLocation", "s3:GetObject"]:
                assert statement["Resource"] == ["arn:aws:s3:::lake", *own]
            elif statement["Resource"] == ["arn:aws:s3:::lake"]:
                assert statement["Condition"] == {"StringLike": {"s3:prefix": "workspaces/demo/*"}}
            else:
                assert statement["Resource"] == own[1:]
                assert all("*" not in action and "?" not in action for action in statement["Action"])


def test_a_reader_only_reads() -> None:
    policy = bucket_policy("lake", ["demo"], users_of("demo"))
    actions = {action for s in statements_for(policy, user_of("demo", Access.READ_ONLY)) for action in s["Action"]}
    assert actions == {"s3:GetObject", "s3:ListBucket", "s3:ListBucketMultipartUpload?", "s3:GetBucketLocation"}


def test_members_have_the_access_that_their_users_name_says() -> None:
    reader, writer = (MemberUser("demo", access, 1764590400).name for access in (Access.READ_ONLY, Access.READ_WRITE))
    policy = bucket_policy("lake", ["demo", "other"], {reader, writer})
    for user, may_write in ((reader, False), (writer, True)):
        actions = {action for s in statements_for(policy, user) for action in s["Action"]}
        assert ("s3:PutObject" in actions) is may_write
    assert "other" not in (policy or "")
