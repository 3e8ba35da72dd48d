"""A Lakekeeper to talk to, and what a workspace brings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.lakekeeper.documents import FOLDER
from tests.lakekeeper.server import StandIn

from icefield_operator.catalog.calls import Calls
from icefield_operator.catalog.lakekeeper import Lakekeeper
from icefield_operator.catalog.provider import Storage
from icefield_operator.objectstore.config import Credentials

STORAGE = Storage("lake", "workspaces/demo/tables", "http://s3:7070", "eu-1")
KEYS = Credentials("icefield-demo", "s3cr3t")


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A Lakekeeper that was never used; nothing that it was asked or answered was against its documents."""
    if not FOLDER.is_dir():
        pytest.skip(f"Lakekeeper's OpenAPI documents are not in {FOLDER}")
    with StandIn().running() as running:
        yield running
    assert running.violations == []


@pytest.fixture
async def lakekeeper(server: StandIn) -> AsyncIterator[Lakekeeper]:
    """The manager of catalogs in it."""
    calls = Calls(server.management_uri, "")
    yield Lakekeeper(calls, server.uri)
    await calls.aclose()
