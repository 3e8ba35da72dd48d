"""Back up and restore of docs/install.md, as they stand: the database is as it was."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pages.blocks import blocks_of
from tests.e2e.pages.exceptions import RESTORE, blocks_with
from tests.e2e.pages.session import Session

pytestmark = pytest.mark.e2e

PAGE = "docs/install.md"


def test_who_was_deleted_after_the_backup_is_there_after_the_restore(platform: Any, tmp_path: Path) -> None:
    [backup] = [block for block in blocks_of(PAGE) if "pg_dump" in block.code]
    [restore] = blocks_with(PAGE, RESTORE)
    person = {"email": f"restored-{secrets.token_hex(4)}@acme.eu", "password": secrets.token_urlsafe(16)}
    administrator = platform.administrator()
    administrator.post("/users", json=person).raise_for_status()
    session = Session(platform, tmp_path)
    try:
        session.run(backup)
        administrator.delete(f"/users/{person['email']}").raise_for_status()
        assert administrator.get(f"/users/{person['email']}").status_code == 404
        session.run(restore)
    finally:
        session.close()
    assert platform.administrator().get(f"/users/{person['email']}").json()["email"] == person["email"]
