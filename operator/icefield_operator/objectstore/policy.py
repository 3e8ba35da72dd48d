"""The one bucket policy, computed from the list of all workspaces: level-based, so a lost update heals itself.

What a policy of versitygw 1.8.0 cannot express (auth/condition_context.go: what a request is about is its prefix,
delimiter and max-keys, not its method):

- HeadBucket asks for ListBucket without a prefix, just as a listing of the whole bucket does: opening one opens the
  other. It stays refused; its answer carries the bucket's region all the same.
- A listing whose prefix is a workspace's own without the slash at its end would show the keys, or with a delimiter the
  names, of all workspaces whose names begin with this one's. It stays refused. What looks whether a folder is there
  (HEAD of that key, then a listing with the slash) works: the key may be read, and there is none.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from icefield_crds import object_store

from . import member_users
from .config import Access

WRITES = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)

LIST_UPLOADS = "s3:ListBucketMultipartUpload?"
"""ListBucketMultipartUploads. By its full name versitygw takes no condition for it, and so would show everybody's; by a
pattern it takes one, and holds to it."""


def user_of(workspace: str, access: Access = Access.READ_WRITE) -> str:
    """Return the object store user, which is also its access key id, that opens a workspace's prefix."""
    # No workspace's name has an underscore: a reader can never be another workspace's user.
    return f"icefield-{workspace}" if access is Access.READ_WRITE else f"icefield-{workspace}_reader"


def bucket_policy(bucket: str, workspaces: Iterable[str], users: Collection[str]) -> str | None:
    """Return the policy that opens to each workspace's users its own prefix and nothing else.

    Args:
        bucket: name of the platform's bucket.
        workspaces: slugs of the workspaces.
        users: the users that exist; a policy that names a missing one is refused.

    Returns:
        JSON text, the same for the same workspaces and users, or None when it opens nothing: S3 knows no empty policy.
    """
    members = _members(users)
    statements = []
    for slug in sorted(set(workspaces)):
        existing = {access: [*_own(slug, access, users), *sorted(members[slug, access])] for access in Access}
        statements += _statements(bucket, slug, existing)
    if not statements:
        return None
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _statements(bucket: str, workspace: str, users: Mapping[Access, list[str]]) -> list[dict[str, Any]]:
    prefix = object_store.workspace_prefix(workspace)
    writers, everybody = users[Access.READ_WRITE], [user for access in Access for user in users[access]]
    # The slash before the star keeps workspace "a" from listing workspace "ab".
    below = {"StringLike": {"s3:prefix": f"{prefix}/*"}}
    statements = []
    if everybody:
        objects = [_arn(bucket), _arn(bucket, prefix), _arn(bucket, f"{prefix}/*")]
        statements.append(_allow(everybody, ["s3:GetBucketLocation", "s3:GetObject"], objects))
        # A reader's, too: every statement less is less to parse for the store, which does so on each request.
        statements.append(_allow(everybody, ["s3:ListBucket", LIST_UPLOADS], [_arn(bucket)]) | {"Condition": below})
    if writers:
        statements.append(_allow(writers, list(WRITES), [_arn(bucket, f"{prefix}/*")]))
    return statements


def _own(workspace: str, access: Access, users: Collection[str]) -> list[str]:
    user = user_of(workspace, access)
    return [user] if user in users else []


def _members(users: Iterable[str]) -> Mapping[tuple[str, Access], list[str]]:
    found = defaultdict(list)
    for user in filter(None, map(member_users.parse, users)):
        found[user.workspace, user.access].append(user.name)
    return found


def _allow(users: list[str], actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": users}, "Action": actions, "Resource": resources}


def _arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
