"""What the parts of the API server may import of each other."""

from __future__ import annotations

import grimp
import pytest

from icefield_apiserver.app import FEATURES

ROOT = "icefield_apiserver"
NEEDS = {feature.name: set(feature.needs) for feature in FEATURES}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(ROOT, include_external_packages=False, cache_dir=None)


def imports(graph: grimp.ImportGraph, part: str) -> list[tuple[str, str]]:
    """Return (importer, imported) of every import by the modules of a part, both without the root's name."""
    return [
        (importer.removeprefix(f"{ROOT}."), imported.removeprefix(f"{ROOT}."))
        for importer in graph.find_descendants(f"{ROOT}.{part}") | {f"{ROOT}.{part}"}
        for imported in graph.find_modules_directly_imported_by(importer)
    ]


def is_allowed(imported: str, feature: str) -> bool:
    """Return whether a feature may import a module."""
    part, _, rest = imported.partition(".")
    if part in ("core", "identity"):
        return True
    owner, _, module = rest.partition(".")
    return part == "features" and (owner == feature or (owner in NEEDS[feature] and module == "service"))


def test_every_feature_folder_is_installed(graph: grimp.ImportGraph) -> None:
    folders = {module.rpartition(".")[2] for module in graph.find_children(f"{ROOT}.features")}
    assert folders == set(NEEDS)


@pytest.mark.parametrize("feature", sorted(NEEDS))
def test_a_feature_imports_the_core_identity_and_the_services_that_it_declares(
    graph: grimp.ImportGraph, feature: str
) -> None:
    found = imports(graph, f"features.{feature}")
    assert not [pair for pair in found if not is_allowed(pair[1], feature)]
    used = {imported.split(".")[1] for _, imported in found if imported.startswith("features.")}
    assert NEEDS[feature] <= used, "declared, but not used"


@pytest.mark.parametrize("feature", sorted(NEEDS))
def test_a_service_takes_no_rest_schema(graph: grimp.ImportGraph, feature: str) -> None:
    service = f"{ROOT}.features.{feature}.service"
    if service not in graph.modules:
        pytest.skip("the feature has no service")
    assert f"{ROOT}.features.{feature}.schemas" not in graph.find_modules_directly_imported_by(service)


def test_the_core_knows_no_feature_and_identity_only_the_core(graph: grimp.ImportGraph) -> None:
    assert not [pair for pair in imports(graph, "core") if not pair[1].startswith("core")]
    assert not [pair for pair in imports(graph, "identity") if not pair[1].startswith(("core", "identity"))]
