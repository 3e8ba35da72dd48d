"""Records of statements, lineage and archived logs go when they are older than the workspace wants."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select

from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.settings import ObjectStoreSettings, Settings
from icefield_apiserver.features.lineage.janitor import LineageJanitor
from icefield_apiserver.features.lineage.models import LineageAccess, LineageEdge, LineageFlow, LineageTable
from icefield_apiserver.features.lineage.store import LineageStore
from icefield_apiserver.features.logs import janitor as log_janitor
from icefield_apiserver.features.logs.janitor import LogJanitor
from icefield_apiserver.features.statements.identifiers import first_id
from icefield_apiserver.features.statements.janitor import Janitor
from icefield_apiserver.features.statements.models import Statement
from icefield_apiserver.features.statements.results import ResultStore
from icefield_apiserver.features.statements.store import StatementRepository
from icefield_crds.object_store import attempt_log_prefix, log_part_key, result_key
from tests.object_store import RunningObjectStore, s3_client

from .conftest import MakeWorkspace

pytestmark = pytest.mark.integration

GONE = "00000000-0000-0000-0000-000000000000"
"""metadata.uid of a workspace that was deleted: its past is kept by the defaults."""


@pytest.fixture
def settings(settings: Settings, object_store: RunningObjectStore) -> Settings:
    """The settings with a bucket of the test's own."""
    store = ObjectStoreSettings(
        endpoint=object_store.url,
        bucket=f"retention-{secrets.token_hex(4)}",
        access_key_id=object_store.access_key_id,
        secret_access_key=object_store.secret_access_key,
    )
    return settings.model_copy(update={"object_store": store})


def _statement(workspace_uid: str, days: int, **fields: Any) -> dict[str, Any]:
    at = now() - timedelta(days=days)
    return {
        "id": first_id(at) + secrets.token_hex(10),
        "workspace": "w",
        "workspace_uid": workspace_uid,
        "warehouse": "main",
        "warehouse_uid": "u",
        "person": "you@acme.eu",
        "query": "SELECT 1",
        "dialect": "spark",
        "request": {},
        "is_write": False,
        "status": "succeeded",
        "submitted_at": at,
        "finished_at": at,
        "owner": "",
        "lease_until": now() + timedelta(days=1),
        **fields,
    }


async def _bucket(settings: Settings, object_store: RunningObjectStore, *keys: str) -> None:
    access = settings.object_store
    key_of_store = access.secret_access_key.get_secret_value()
    async with s3_client(object_store.url, access.access_key_id, key_of_store) as s3:
        await s3.create_bucket(Bucket=settings.object_store.bucket)
        for key in keys:
            await s3.put_object(Bucket=settings.object_store.bucket, Key=key, Body=b"x")


async def test_records_of_statements(
    app: FastAPI, settings: Settings, object_store: RunningObjectStore, make_workspace: MakeWorkspace
) -> None:
    slug = await make_workspace("old")
    core = app.state.core
    uid = core.cluster.workspaces.store.get(None, slug).metadata.uid
    key = result_key(slug, "old")
    await _bucket(settings, object_store, key)
    old, kept = _statement(uid, 31, result={"key": key}), _statement(uid, 29)
    running = _statement(uid, 31, status="running", finished_at=None)
    of_gone = _statement(GONE, 31)
    async with core.db.session() as session:
        for row in (old, kept, running, of_gone):
            await session.execute(insert(Statement).values(**row))
    await Janitor(StatementRepository(core.db), ResultStore(core.bucket), core.cluster.workspace_directory).sweep()
    async with core.db.session() as session:
        assert set(await session.scalars(select(Statement.id))) == {kept["id"], running["id"]}
    assert await core.bucket.is_empty(key)


async def test_lineage(app: FastAPI, make_workspace: MakeWorkspace) -> None:
    slug = await make_workspace("old")
    core = app.state.core
    uid = core.cluster.workspaces.store.get(None, slug).metadata.uid
    rows = [(uid, "old", 91), (uid, "kept", 89), (GONE, "gone", 91)]
    pair = {"source_uuid": "a", "inferred": False}
    async with core.db.session() as session:
        for workspace_uid, each, days in rows:
            of, at = {"workspace_uid": workspace_uid}, now() - timedelta(days=days)
            for direction in ("read", "written"):
                access = {"source": each, "direction": direction, "table_name": "t", "snapshot_id": 1}
                await session.execute(insert(LineageAccess).values(**access, **of, at=at))
            await session.execute(insert(LineageFlow).values(**pair, **of, target_uuid=each, unit=each, at=at))
            await session.execute(insert(LineageEdge).values(**pair, **of, target_uuid=each, last_at=at))
            table = {"uuid": each, "name": "t", "is_view": False, "is_name_only": False}
            await session.execute(insert(LineageTable).values(**table, **of, seen_at=at))
    await LineageJanitor(LineageStore(core.db), core.cluster.workspace_directory).sweep()
    async with core.db.session() as session:
        assert list(await session.scalars(select(LineageAccess.source))) == ["kept", "kept"]
        for column in (LineageFlow.unit, LineageEdge.target_uuid, LineageTable.uuid):
            assert list(await session.scalars(select(column))) == ["kept"]


async def test_archived_logs(
    app: FastAPI,
    settings: Settings,
    object_store: RunningObjectStore,
    make_workspace: MakeWorkspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slug = await make_workspace("old")
    core = app.state.core
    key = log_part_key(attempt_log_prefix(slug, "uid", "main", 0), 0)
    await _bucket(settings, object_store, key)
    janitor = LogJanitor(core.db, core.bucket, core.cluster)
    await janitor.sweep()
    assert not await core.bucket.is_empty(key)
    monkeypatch.setattr(log_janitor, "now", lambda: now() + timedelta(days=91))
    await janitor.sweep()
    assert await core.bucket.is_empty(key)
