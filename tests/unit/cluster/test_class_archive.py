"""The class path that the archive of Spark's classes is for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from icefield_cluster.paths import CHECKOUT

MAKE = CHECKOUT / "images" / "warehouse" / "class_archive" / "make.py"


def _make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("class_archive_make", MAKE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_manifest_names_all_jars_in_their_order_in_lines_that_java_reads() -> None:
    jars = [f"jars/{'a' * length}-1.0.jar" for length in range(90)]
    text = _make().manifest(jars)
    assert text.endswith("\r\n")
    assert max(len(line) for line in text.split("\r\n")) <= 70
    lines = text.replace("\r\n ", "").split("\r\n")
    assert lines == ["Manifest-Version: 1.0", f"Class-Path: {' '.join(jars)}", "", ""]


def test_spark_is_called_without_a_proxy() -> None:
    own = {"HTTPS_PROXY": "http://proxy", "http_proxy": "http://proxy", "PATH": "/bin"}
    kept = _make().environment(own, Path("/spark"))
    assert "PATH" in kept
    assert not [name for name in kept if "proxy" in name.lower()]
