"""Two workspaces in one bucket of a real versitygw: neither sees anything of the other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from icefield_operator.objectstore.access import StaticUsers, VersityUsers, supplied_credentials
from icefield_operator.objectstore.config import (
    Access,
    Credentials,
    CredentialsMissingError,
    ObjectStoreConfig,
    ObjectStoreError,
    Provider,
)
from icefield_operator.objectstore.store import AlreadyExistsError, ObjectStore
from icefield_operator.objectstore.versitygw import VersityAdmin
from tests.object_store import REGION, RunningObjectStore

pytestmark = pytest.mark.integration


@dataclass
class Tenants:
    """A bucket, the platform's view of it, and of each workspace an S3 client that writes and one that only reads."""

    store: ObjectStore
    admin: VersityAdmin
    users: VersityUsers
    ada: Any
    bob: Any
    ada_reads: Any
    bob_reads: Any
    slugs: tuple[str, str]


def config_of(server: RunningObjectStore, bucket: str) -> ObjectStoreConfig:
    """Return the platform's configuration for a bucket of this server."""
    credentials = Credentials(server.access_key_id, server.secret_access_key)
    return ObjectStoreConfig(Provider.VERSITYGW, server.url, REGION, bucket, credentials)


def client_of(server: RunningObjectStore, credentials: Credentials) -> Any:
    """Return a context manager that opens an S3 client with these credentials."""
    return get_session().create_client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        config=AioConfig(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


@pytest.fixture
async def tenants(object_store: RunningObjectStore) -> AsyncIterator[Tenants]:
    """Two workspaces, one's slug the beginning of the other's, each with an object; and a log of each."""
    base = uuid.uuid4().hex[:8]
    slugs = (base, f"{base}x")
    config = config_of(object_store, f"lake-{base}")
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(ObjectStore.open(config))
        await store.ensure_bucket()
        await store.ensure_bucket()
        admin = VersityAdmin(config)
        stack.push_async_callback(admin.aclose)
        users = VersityUsers(admin, store)
        clients, readers = [], []
        for slug in slugs:
            for access, into in ((Access.READ_WRITE, clients), (Access.READ_ONLY, readers)):
                credentials = await users.ensure(slug, access, None)
                into.append(await stack.enter_async_context(client_of(object_store, credentials)))
            await store.put(f"logs/{slug}/run/main/0/000000.jsonl.gz", b"log")
        await users.settle(lambda: slugs)
        for slug, client in zip(slugs, clients, strict=True):
            await client.put_object(Bucket=config.bucket, Key=f"workspaces/{slug}/mine", Body=slug.encode())
        yield Tenants(store, admin, users, *clients, *readers, slugs)


async def test_a_workspace_uses_its_own_prefix(tenants: Tenants) -> None:
    bucket, ada, slug = tenants.store.config.bucket, tenants.ada, tenants.slugs[0]
    listed = await ada.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{slug}/")
    assert [item["Key"] for item in listed["Contents"]] == [f"workspaces/{slug}/mine"]

    key = f"workspaces/{slug}/big"
    upload = await ada.create_multipart_upload(Bucket=bucket, Key=key)
    part = await ada.upload_part(
        Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * 6_000_000
    )
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    await ada.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"], MultipartUpload=parts)
    aborted = await ada.create_multipart_upload(Bucket=bucket, Key=key)
    await ada.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=aborted["UploadId"])

    await ada.copy_object(Bucket=bucket, Key=f"workspaces/{slug}/copy", CopySource=f"{bucket}/{key}")
    head = await ada.head_object(Bucket=bucket, Key=f"workspaces/{slug}/copy")
    assert head["ContentLength"] == 6_000_000
    await ada.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": f"workspaces/{slug}/copy"}]})
    listed = await ada.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{slug}/")
    assert listed["KeyCount"] == 1


async def test_a_workspace_sees_and_ends_its_unfinished_uploads(tenants: Tenants) -> None:
    bucket, (first, second) = tenants.store.config.bucket, tenants.slugs
    for s3, slug in ((tenants.ada, first), (tenants.bob, second)):
        await s3.create_multipart_upload(Bucket=bucket, Key=f"workspaces/{slug}/table/unfinished")
    for s3, slug in ((tenants.ada, first), (tenants.bob, second)):
        (upload,) = (await s3.list_multipart_uploads(Bucket=bucket, Prefix=f"workspaces/{slug}/"))["Uploads"]
        assert upload["Key"] == f"workspaces/{slug}/table/unfinished"
        which = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        assert "Parts" not in await s3.list_parts(**which)
        await s3.abort_multipart_upload(**which)
        assert "Uploads" not in await s3.list_multipart_uploads(Bucket=bucket, Prefix=f"workspaces/{slug}/")


async def test_probing_for_a_folder_says_not_there_instead_of_forbidden(tenants: Tenants) -> None:
    """What Arrow, s3fs and S3A do first with a path: HEAD of that key, and go on when there is none."""
    bucket, slug = tenants.store.config.bucket, tenants.slugs[0]
    for s3 in (tenants.ada, tenants.ada_reads):
        for key in (f"workspaces/{slug}", f"workspaces/{slug}/", f"workspaces/{slug}/nothing"):
            with pytest.raises(ClientError) as caught:
                await s3.head_object(Bucket=bucket, Key=key)
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert "LocationConstraint" in await s3.get_bucket_location(Bucket=bucket)
        with pytest.raises(ClientError) as caught:
            await s3.head_bucket(Bucket=bucket)
        headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amz-bucket-region"] == REGION


async def test_a_reader_reads_and_changes_nothing(tenants: Tenants) -> None:
    bucket, s3, slug = tenants.store.config.bucket, tenants.ada_reads, tenants.slugs[0]
    key = f"workspaces/{slug}/mine"
    answer = await s3.get_object(Bucket=bucket, Key=key)
    assert await answer["Body"].read() == slug.encode()
    listed = await s3.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{slug}/")
    assert [item["Key"] for item in listed["Contents"]] == [key]
    upload = await tenants.ada.create_multipart_upload(Bucket=bucket, Key=f"{key}-2")
    refused = {
        "put": s3.put_object(Bucket=bucket, Key=f"workspaces/{slug}/new", Body=b""),
        "overwrite": s3.put_object(Bucket=bucket, Key=key, Body=b""),
        "delete": s3.delete_object(Bucket=bucket, Key=key),
        "copy": s3.copy_object(Bucket=bucket, Key=f"{key}-3", CopySource=f"{bucket}/{key}"),
        "begin upload": s3.create_multipart_upload(Bucket=bucket, Key=f"{key}-4"),
        "abort upload": s3.abort_multipart_upload(Bucket=bucket, Key=f"{key}-2", UploadId=upload["UploadId"]),
        "tag": s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": []}),
    }
    for name, call in refused.items():
        with pytest.raises(ClientError) as caught:
            await call
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
    assert await tenants.store.get(key) == slug.encode()


def _forbidden_calls(bucket: str, mine: str, other: str) -> dict[str, Callable[[Any], Awaitable[Any]]]:
    theirs, log = f"workspaces/{other}/mine", f"logs/{mine}/run/main/0/000000.jsonl.gz"
    return {
        "get": lambda s3: s3.get_object(Bucket=bucket, Key=theirs),
        "head": lambda s3: s3.head_object(Bucket=bucket, Key=theirs),
        "get around": lambda s3: s3.get_object(Bucket=bucket, Key=f"workspaces/{mine}/../{other}/mine"),
        "put": lambda s3: s3.put_object(Bucket=bucket, Key=f"workspaces/{other}/new", Body=b""),
        "delete": lambda s3: s3.delete_object(Bucket=bucket, Key=theirs),
        "copy from": lambda s3: s3.copy_object(
            Bucket=bucket, Key=f"workspaces/{mine}/stolen", CopySource=f"{bucket}/{theirs}"
        ),
        "multipart": lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=theirs),
        "list all": lambda s3: s3.list_objects_v2(Bucket=bucket),
        "list workspaces": lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix="workspaces/", Delimiter="/"),
        "list by beginning": lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{mine}"),
        "list other": lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{other}/"),
        "list other v1": lambda s3: s3.list_objects(Bucket=bucket, Prefix=f"workspaces/{other}/"),
        "list versions": lambda s3: s3.list_object_versions(Bucket=bucket, Prefix=f"workspaces/{other}/"),
        "list folder without its slash": lambda s3: s3.list_objects_v2(
            Bucket=bucket, Prefix=f"workspaces/{mine}", Delimiter="/"
        ),
        "look for bucket": lambda s3: s3.head_bucket(Bucket=bucket),
        "look for other": lambda s3: s3.head_object(Bucket=bucket, Key=f"workspaces/{other}"),
        "list uploads": lambda s3: s3.list_multipart_uploads(Bucket=bucket),
        "list uploads by beginning": lambda s3: s3.list_multipart_uploads(Bucket=bucket, Prefix=f"workspaces/{mine}"),
        "list uploads of other": lambda s3: s3.list_multipart_uploads(Bucket=bucket, Prefix=f"workspaces/{other}/"),
        "put own folder": lambda s3: s3.put_object(Bucket=bucket, Key=f"workspaces/{mine}", Body=b""),
        "list logs": lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=f"logs/{mine}/"),
        "get log": lambda s3: s3.get_object(Bucket=bucket, Key=log),
        "put log": lambda s3: s3.put_object(Bucket=bucket, Key=log, Body=b"forged"),
        "read policy": lambda s3: s3.get_bucket_policy(Bucket=bucket),
        "drop policy": lambda s3: s3.delete_bucket_policy(Bucket=bucket),
        "write policy": lambda s3: s3.put_bucket_policy(Bucket=bucket, Policy='{"Statement":[]}'),
        "make bucket": lambda s3: s3.create_bucket(Bucket=f"{bucket}-2"),
        "drop bucket": lambda s3: s3.delete_bucket(Bucket=bucket),
    }


async def test_a_workspace_opens_nothing_else(tenants: Tenants) -> None:
    bucket, (first, second) = tenants.store.config.bucket, tenants.slugs
    ada, bob = (tenants.ada, tenants.ada_reads), (tenants.bob, tenants.bob_reads)
    tried = [(s3, first, second) for s3 in ada] + [(s3, second, first) for s3 in bob]
    for s3, mine, other in tried:
        for name, call in _forbidden_calls(bucket, mine, other).items():
            with pytest.raises(ClientError) as caught:
                await call(s3)
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
        both = {"Objects": [{"Key": f"workspaces/{other}/mine"}]}
        answer = await s3.delete_objects(Bucket=bucket, Delete=both)
        assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
        assert (await s3.list_buckets())["Buckets"] == []
    assert await tenants.store.get(f"workspaces/{second}/mine") == second.encode()


async def test_a_held_secret_stays_and_a_foreign_change_is_undone(
    tenants: Tenants, object_store: RunningObjectStore
) -> None:
    slug = tenants.slugs[0]
    held = await tenants.users.ensure(slug, Access.READ_WRITE, None)
    assert await tenants.users.ensure(slug, Access.READ_WRITE, held) == held
    await tenants.admin.set_secret(Credentials(held.access_key_id, "changed"))
    assert await tenants.users.ensure(slug, Access.READ_WRITE, held) == held
    async with client_of(object_store, held) as s3:
        await s3.head_object(Bucket=tenants.store.config.bucket, Key=f"workspaces/{slug}/mine")


async def test_a_removed_workspace_opens_nothing_any_more(tenants: Tenants) -> None:
    bucket, (first, second) = tenants.store.config.bucket, tenants.slugs
    await tenants.users.settle(lambda: [second])
    await tenants.users.remove(first)
    await tenants.users.remove(first)
    with pytest.raises(ClientError):
        await tenants.ada.get_object(Bucket=bucket, Key=f"workspaces/{first}/mine")
    await tenants.bob.get_object(Bucket=bucket, Key=f"workspaces/{second}/mine")
    # A workspace without a user yet does not spoil the policy of the others.
    await tenants.users.settle(lambda: [first, second])
    await tenants.bob.get_object(Bucket=bucket, Key=f"workspaces/{second}/mine")
    await tenants.users.settle(lambda: [])
    with pytest.raises(ClientError):
        await tenants.bob.get_object(Bucket=bucket, Key=f"workspaces/{second}/mine")


async def test_the_policy_holds_many_workspaces(tenants: Tenants) -> None:
    many = [f"{tenants.slugs[0]}-{number}" for number in range(60)]
    for slug in many:
        for access in Access:
            await tenants.users.ensure(slug, access, None)
    await tenants.users.settle(lambda: many)
    assert len(await tenants.store.policy() or "") > 20_000


async def test_objects(tenants: Tenants) -> None:
    store = tenants.store
    await store.put("a/1", b"one", new=True)
    with pytest.raises(AlreadyExistsError):
        await store.put("a/1", b"two", new=True)
    assert await store.get("a/1") == b"one"
    assert await store.get("a/2") is None
    assert await store.exists("a/1")
    assert not await store.exists("a/2")
    await asyncio.gather(*(store.put(f"many/{number:04}", b"") for number in range(1005)))
    assert len([key async for key in store.keys("many/")]) == 1005
    assert [await store.delete_some("many/") for _ in range(3)] == [1000, 5, 0]


async def test_a_store_that_is_away_is_an_error_to_try_again() -> None:
    nobody = ObjectStoreConfig(Provider.VERSITYGW, "http://127.0.0.1:1", REGION, "lake", Credentials("a", "b"))
    async with ObjectStore.open(nobody) as store:
        with pytest.raises(ObjectStoreError, match="not reachable"):
            await store.exists("a")
    admin = VersityAdmin(nobody)
    with pytest.raises(ObjectStoreError, match="not reachable"):
        await admin.users()
    await admin.aclose()


async def test_supplied_credentials() -> None:
    secrets = {"good": {"accessKeyId": "id", "secretAccessKey": "key"}, "bad": {"accessKeyId": "id"}}

    async def read(name: str) -> dict[str, str] | None:
        return secrets.get(name)

    assert await supplied_credentials("good", read) == Credentials("id", "key")
    with pytest.raises(CredentialsMissingError, match="lacks secretAccessKey"):
        await supplied_credentials("bad", read)
    with pytest.raises(CredentialsMissingError, match="no Secret none"):
        await supplied_credentials("none", read)
    with pytest.raises(CredentialsMissingError, match="credentialsSecret"):
        await StaticUsers().ensure("demo", Access.READ_WRITE, None)
