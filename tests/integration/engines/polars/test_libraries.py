"""Workloads with requirements: the packages of their environment are there, after those of the image."""

from __future__ import annotations

import io
import sys
import tarfile

import boto3
import pytest

from icefield_crds import object_store

from .sandbox import Sandbox

pytestmark = pytest.mark.integration

PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def _stored(sandbox: Sandbox) -> str:
    """Store an environment with a module `icefieldmine`, and one named as a library of the image; return its key."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("icefieldmine", "VERSION = 1"), ("pyarrow", "raise ImportError")):
            member = tarfile.TarInfo(f"./{PACKAGES}/{name}.py")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    site, key = sandbox.site, object_store.environment_key(sandbox.site.slug, "a" * 64)
    client = boto3.client(
        "s3",
        endpoint_url=site.endpoint,
        region_name="us-east-1",
        aws_access_key_id=site.access_key_id,
        aws_secret_access_key=site.secret_access_key,
    )
    client.put_object(Bucket=site.bucket, Key=key, Body=packed.getvalue())
    return key


def test_a_script_imports_what_its_requirements_brought(sandbox: Sandbox) -> None:
    script = "import icefieldmine, pyarrow\nresult = pl.DataFrame({'v': [icefieldmine.VERSION]})"
    outcome = sandbox.run(script=script, environment_key=_stored(sandbox))
    assert sandbox.rows(outcome).column("v").to_pylist() == [1]


def test_an_environment_that_is_gone_is_said(sandbox: Sandbox) -> None:
    outcome = sandbox.run(script="result = pl.DataFrame()", environment_key="workspaces/none/environments/b.tar.gz")
    assert outcome["error_kind"] == "start"
    assert "the environment cannot be fetched" in outcome["error"]
