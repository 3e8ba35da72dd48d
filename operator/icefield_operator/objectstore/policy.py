"""The one bucket policy, computed from the list of all workspaces: level-based, so a lost update heals itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from icefield_crds import object_store

OBJECT_ACTIONS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
"""What a workspace may do with its objects.

ListBucketMultipartUploads is not among them: no condition can narrow it to a prefix, so it would show the keys of
other workspaces.
"""


def user_of(workspace: str) -> str:
    """Return the object store user, which is also its access key id, of a workspace."""
    return f"icefield-{workspace}"


def bucket_policy(bucket: str, workspaces: Iterable[str]) -> str | None:
    """Return the policy that opens to each workspace its own prefix and nothing else.

    Args:
        bucket: name of the platform's bucket.
        workspaces: slugs of the workspaces whose users exist; a policy that names a missing user is refused.

    Returns:
        JSON text, the same for the same set of workspaces, or None when there is none: S3 knows no empty policy.
    """
    statements = [statement for slug in sorted(set(workspaces)) for statement in _statements(bucket, slug)]
    if not statements:
        return None
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _statements(bucket: str, workspace: str) -> list[dict[str, Any]]:
    below = f"{object_store.workspace_prefix(workspace)}/*"
    principal = {"AWS": user_of(workspace)}
    return [
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(OBJECT_ACTIONS),
            "Resource": f"arn:aws:s3:::{bucket}/{below}",
        },
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
            # The slash before the star keeps workspace "a" from listing workspace "ab".
            "Condition": {"StringLike": {"s3:prefix": below}},
        },
    ]
