"""Each kind is a folder that registers itself; nothing else of the operator names it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import icefield_operator
from icefield_crds import KINDS
from icefield_operator import kinds
from icefield_operator.catalog.access import CatalogConfig, Catalogs
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.objectstore.access import StaticUsers
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig
from icefield_operator.objectstore.config import Provider as ObjectStoreProvider
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.platform import MissingServiceError, Platform, Storage
from icefield_operator.queue import Key
from icefield_operator.settings import Settings


@pytest.fixture
def bare_platform() -> Platform:
    return Platform(cast(Cluster, None), Controllers(ClusterCache()), cast(Settings, None))


FOLDER = """
from icefield_operator.queue import Key


async def reconcile(key: Key) -> None:
    raise AssertionError(f"nothing works on {key} here")


def register(platform) -> None:
    platform.controllers.register("Flavor", reconcile)
"""


@pytest.fixture
def imaginary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder of a kind, which only this test knows."""
    folder = tmp_path / "imaginary"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "register.py").write_text(FOLDER)
    monkeypatch.setattr(icefield_operator, "__path__", [*icefield_operator.__path__, str(tmp_path)])
    invalidate_caches()
    yield folder.name
    for module in ("icefield_operator.imaginary.register", "icefield_operator.imaginary"):
        sys.modules.pop(module, None)


def test_a_new_kind_is_a_folder(bare_platform: Platform, imaginary: str) -> None:
    assert imaginary in kinds.all_kinds()
    kinds.register_kinds(bare_platform, [imaginary])
    bare_platform.controllers.enqueue(Key(Kind.FLAVOR, "", "cpu.1"))
    assert len(bare_platform.controllers.queue) == 1


@pytest.mark.parametrize("order", [list, reversed], ids=["by name", "the other way round"])
def test_every_kind_of_the_contract_but_sizes_is_reconciled(
    tmp_path: Path, order: Callable[[list[str]], Iterable[str]]
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    images = dict.fromkeys(
        ("runtime_image", "tini_image", "warehouse_image", "polars_image", "polars_cloud_image"), "x"
    )
    settings = Settings(**images, run_token_private_key_file=key)
    config = ObjectStoreConfig(ObjectStoreProvider.STATIC, "http://s3:7070", "us-east-1", "lake", Credentials("k", "s"))
    storage = Storage(ObjectStore(config, None), StaticUsers(), Catalogs(CatalogConfig(None, "", "", ""), None))
    controllers = Controllers(ClusterCache())
    platform = Platform(cast(Cluster, None), controllers, settings, cast(LogArchive, object()), storage)
    kinds.register_kinds(platform, order(kinds.all_kinds()))
    for model in KINDS:
        controllers.enqueue(Key(model.KIND, "icefield-demo", "x"))
    assert {model.KIND for model in KINDS if not model.RECONCILED} == {Kind.FLAVOR}
    assert len(controllers.queue) == len(KINDS) - 1, "a Flavor is only referred to"


def test_a_kind_reports_what_its_platform_lacks(bare_platform: Platform) -> None:
    with pytest.raises(MissingServiceError, match="no storage"):
        kinds.register_kinds(bare_platform, ["workspace"])


def test_one_service_for_all_kinds(bare_platform: Platform) -> None:
    made = [bare_platform.singleton(list, list), bare_platform.singleton(list, lambda: [1])]
    assert made[0] is made[1]
