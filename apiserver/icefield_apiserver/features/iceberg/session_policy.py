"""Which part of the bucket the keys of a session open, as an inline policy of AssumeRole. Pure.

(AWS STS API reference, AssumeRole, `Policy`: a session may do what both its role and this policy allow, so a policy
only ever narrows.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from icefield_apiserver.core.locations import StoreRoot

READ = ("s3:GetObject",)
READ_WRITE = (
    *READ,
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
"""What may be done with a table's files."""

_AMBIGUOUS = re.compile(r"[*?$\x00-\x1f\x7f]")
"""What means something else in a policy: a pattern, a variable."""


def table_prefix(location: str, root: StoreRoot) -> str | None:
    """Return the prefix of a table's files, without a slash at its end; None where no policy can be sure to mean it.

    Args:
        location: the table's, a URL.
        root: the workspace's part of the object store.
    """
    key = root.key_of(location)
    if key is None or _AMBIGUOUS.search(key):
        return None
    prefix = key.removesuffix("/")
    # Stores that keep files in folders take an empty name for none.
    return None if "" in prefix.split("/") else prefix


def session_policy(bucket: str, prefix: str, actions: Sequence[str]) -> str:
    """Return the policy that opens a prefix and nothing else, as JSON text.

    Args:
        bucket: its bucket.
        prefix: `table_prefix` of the table.
        actions: what may be done with its objects; to list them is always allowed.
    """
    # The slash before the star keeps table "a" from opening table "ab".
    below = f"{prefix}/*"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{bucket}/{below}"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}"],
            "Condition": {"StringLike": {"s3:prefix": [below]}},
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
