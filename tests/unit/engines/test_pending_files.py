"""What an append stores before its commit."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.settings import StoreSettings
from icefield_engines.warehouse.writes.files import LONGEST_REMEMBERED, WorkspaceFiles
from icefield_engines.warehouse.writes.pending import PendingFiles

LOCATION = "s3://bucket/workspaces/acme/tables/t/metadata/m.avro"


@pytest.fixture
def pending() -> PendingFiles:
    """Files of a store that is not there."""
    settings = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SecretStr("secret"),
        "ICEFIELD_BUCKET": "bucket",
        "ICEFIELD_PREFIX": "workspaces/acme",
    }
    return PendingFiles(WorkspaceFiles(StoreSettings.model_validate(settings)))


def test_what_is_not_stored_is_not_committed(pending: PendingFiles) -> None:
    with pending.new_output(LOCATION).create() as stream:
        stream.write(b"manifest")
    with pytest.raises(EngineError) as raised:
        pending.wait()
    assert raised.value.code == Code.STORE_UNAVAILABLE


def test_a_file_is_read_while_it_is_being_stored(pending: PendingFiles) -> None:
    output = pending.new_output(LOCATION)
    with output.create() as stream:
        stream.write(b"manifest")
    assert (len(output), output.to_input_file().open().read()) == (8, b"manifest")


def test_a_long_file_is_stored_before_the_next_one_is_written(pending: PendingFiles) -> None:
    with pytest.raises(OSError, match="AWS Error"), pending.new_output(LOCATION).create() as stream:
        stream.write(bytes(LONGEST_REMEMBERED + 1))


def test_what_is_stored_is_committed(pending: PendingFiles) -> None:
    done: list[int] = []
    for number in range(40):
        pending.store(lambda number=number: done.append(number))
    pending.wait()
    assert sorted(done) == list(range(40))
