"""What the gateway makes of its environment."""

from __future__ import annotations

import pytest

from icefield_engines.warehouse.settings import MIB, Settings, StoreSettings

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("mebibytes", [512, 1024, 4096, 65536])
def test_duckdb_leaves_room_for_python(mebibytes: int) -> None:
    settings = Settings(workspace="acme", gateway_token=TOKEN, memory_limit_bytes=mebibytes * MIB)
    assert 128 <= settings.duckdb_memory_bytes // MIB <= mebibytes - 300


def test_a_fraction_of_a_processor_is_one_thread() -> None:
    settings = Settings(workspace="acme", gateway_token=TOKEN, cpu_limit=0.5)
    assert settings.threads == 1
    assert settings.duckdb_statements >= 8


def test_the_store_as_duckdb_wants_it() -> None:
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "ICEFIELD_BUCKET": "icefield",
        "ICEFIELD_PREFIX": "workspaces/acme",
    }
    store = StoreSettings(**variables, AWS_ENDPOINT_URL="http://store:7070")  # type: ignore[arg-type]
    assert (store.url, store.host, store.uses_tls) == ("s3://icefield/workspaces/acme", "store:7070", False)
    assert StoreSettings(**variables).host is None  # type: ignore[arg-type]
