"""Ids of statements."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

from icefield_apiserver.features.statements.identifiers import first_id, is_id, new_id


def test_ids_are_uuids_that_grow_with_time() -> None:
    before = new_id()
    time.sleep(0.002)
    moment = datetime.now(UTC)
    time.sleep(0.002)
    after = new_id()
    assert before < first_id(moment) < after
    assert uuid.UUID(after.removeprefix("stmt_")).version == 7
    assert is_id(after)
    assert not is_id(after[:-1])
    assert not is_id("stmt_" + "z" * 32)


def test_many_at_once_are_all_different() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
