"""`python archive.py store|fetch KEY`: keeps an environment in the object store as one archive, and unpacks it.

The bucket and its keys come from the environment, under the names that tasks have (docs/jobs.md, "What a task finds"),
and ICEFIELD_ENVIRONMENT says where the environment is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONNECT_SECONDS = 10
READ_SECONDS = 60
CHUNK_BYTES = 1024**2
TERMINATION_LOG = Path("/dev/termination-log")


class ArchiveError(Exception):
    """Why an environment was not stored or not unpacked, in one sentence."""


def store(client: Any, environment: Path, bucket: str, key: str) -> None:
    """Store an environment; nothing is there before all of it is.

    Args:
        client: of the object store, made by `client`.
        environment: the folder.
        bucket: where it is stored.
        key: name of the archive.

    Raises:
        ArchiveError: the object store refuses, or the environment cannot be read.
    """
    # Without the folder itself: that of a volume belongs to root, and tar could not set its times.
    names = sorted(each.name for each in environment.iterdir())
    pack = ["tar", "--create", "--use-compress-program=gzip -1", "--directory", str(environment), "--", *names]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        try:
            client.upload_fileobj(_Whole(tar), bucket, key)
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            raise ArchiveError(f"the environment cannot be stored: {error}") from error


def fetch(client: Any, environment: Path, bucket: str, key: str) -> None:
    """Unpack a stored environment into a folder.

    Args:
        client: of the object store, made by `client`.
        environment: the folder.
        bucket: where the archive is.
        key: name of the archive.

    Raises:
        ArchiveError: there is none, the object store refuses, or the disk is full.
    """
    environment.mkdir(parents=True, exist_ok=True)
    unpack = ["tar", "--extract", "--gzip", "--no-same-owner", "--directory", str(environment)]
    try:
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with subprocess.Popen(unpack, stdin=subprocess.PIPE) as tar:
            assert tar.stdin is not None  # noqa: S101
            # Where tar ends early, it says why.
            with suppress(BrokenPipeError):
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    tar.stdin.write(chunk)
                tar.stdin.close()
            code = tar.wait()
    except (BotoCoreError, ClientError) as error:
        raise ArchiveError(f"the environment cannot be fetched: {error}") from error
    if code:
        raise ArchiveError(f"the environment cannot be unpacked: tar ended with exit code {code}")


class _Whole:
    """What tar prints, which ends only if tar succeeded: half an archive must not be stored."""

    def __init__(self, tar: subprocess.Popen[bytes]) -> None:
        self._tar = tar

    def read(self, size: int = -1) -> bytes:
        assert self._tar.stdout is not None  # noqa: S101
        found: bytes = self._tar.stdout.read(size)
        if not found and (code := self._tar.wait()):
            raise ArchiveError(f"the environment cannot be packed: tar ended with exit code {code}")
        return found


def client(**credentials: str) -> Any:
    """Return a client of the object store.

    Args:
        credentials: `endpoint_url`, `region_name`, `aws_access_key_id`, `aws_secret_access_key`; what is absent comes
            from the environment.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": 5},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", config=config, **{"region_name": os.environ.get("AWS_REGION"), **credentials})


def main(action: str, key: str) -> None:
    """Do what the arguments say; a failure is the termination message of the container."""
    environment, bucket = Path(os.environ["ICEFIELD_ENVIRONMENT"]), os.environ["ICEFIELD_BUCKET"]
    try:
        {"store": store, "fetch": fetch}[action](client(), environment, bucket, key)
    except ArchiveError as error:
        print(error, file=sys.stderr)
        TERMINATION_LOG.write_text(str(error), encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
