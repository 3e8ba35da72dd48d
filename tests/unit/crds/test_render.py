"""The YAML that users apply is exactly what the models render, and describes its fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from icefield_crds import KINDS
from icefield_crds.__main__ import rendered
from icefield_crds.crd import crd_of

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("path", sorted(rendered()))
def test_committed_yaml_is_what_the_models_render(path: str) -> None:
    assert (REPOSITORY / path).read_text() == rendered()[path], "run `python -m icefield_crds`"


def test_no_stale_yaml_is_left() -> None:
    committed = {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("crds/*.yaml")}
    assert committed == {path for path in rendered() if path.startswith("crds/")}


def _properties(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _properties(child, f"{path}.{name}")
    if "items" in schema:
        yield from _properties(schema["items"], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_every_field_is_described(kind: Any) -> None:
    schema = crd_of(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bare = [path for path, field in _properties(schema, "") if not field.get("description") and path != ".metadata"]
    assert bare == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_schema_is_structural(kind: Any) -> None:
    text = yaml.safe_dump(crd_of(kind))
    assert "$ref" not in text
    assert "title:" not in text
    assert "'null'" not in text
