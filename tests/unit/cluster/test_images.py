"""Images are keyed by their inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from icefield_cluster import images
from icefield_cluster.install import overlay


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "m.py").write_text("1")
    monkeypatch.setattr(images, "CHECKOUT", tmp_path)
    monkeypatch.setattr(images, "IMAGES", tmp_path / "images")
    return tmp_path


def test_the_tag_follows_the_inputs_and_nothing_else(checkout: Path) -> None:
    image = images.Image("a", inputs=("code/**",), base=True)
    first = images.tag_of(image, "base:1")
    (checkout / "code" / "__pycache__").mkdir()
    (checkout / "code" / "__pycache__" / "m.pyc").write_text("x")
    (checkout / "other.py").write_text("x")
    assert images.tag_of(image, "base:1") == first
    assert images.tag_of(image, "base:2") != first
    (checkout / "code" / "deep" / "m.py").write_text("2")
    second = images.tag_of(image, "base:1")
    assert second != first
    (checkout / "code" / "deep" / "m.py").rename(checkout / "code" / "deep" / "n.py")
    assert images.tag_of(image, "base:1") not in (first, second)


def test_the_context_holds_the_inputs_at_the_same_paths(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = tmp_path_factory.mktemp("context")
    images.fill_context(images.Image("a", inputs=("code/**",)), context, checkout / "log")
    assert [str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()] == ["code/deep/m.py"]


def test_every_image_of_the_repository_has_a_dockerfile_and_inputs() -> None:
    for image in images.load().values():
        assert image.dockerfile.is_file(), image.name
        for pattern in image.inputs:
            assert images.input_files(images.Image(image.name, inputs=(pattern,))), f"{image.name}: {pattern}"


def test_the_overlay_names_tags_and_volumes(tmp_path: Path) -> None:
    tags = dict.fromkeys(("operator", "apiserver", *overlay.STARTED), "12345678e012")
    overlay.write(
        tmp_path, "standalone", tags, registry="registry.example.com/team", volumes=Path("/v"), pod_logs=Path("/l")
    )
    # Read as JSON: a YAML 1.2 reader takes an unquoted 12345678e012 for a number.
    content = json.loads((tmp_path / "kustomization.yaml").read_text())
    assert (tmp_path / content["resources"][0] / "kustomization.yaml").is_file()
    assert content["images"][0] == {
        "name": "localhost/icefield/operator",
        "newName": "registry.example.com/team/icefield/operator",
        "newTag": "12345678e012",
    }
    literals = content["configMapGenerator"][0]["literals"]
    assert "ICEFIELD_RUNTIME_IMAGE=registry.example.com/team/icefield/runtime:12345678e012" in literals
    assert "ICEFIELD_WAREHOUSE_IMAGE=registry.example.com/team/icefield/warehouse:12345678e012" in literals
    assert "ICEFIELD_POLARS_CLOUD_IMAGE=registry.example.com/team/icefield/polars-cloud:12345678e012" in literals
    folders = {patch["target"]["name"]: json.loads(patch["patch"])[0]["value"] for patch in content["patches"]}
    assert folders == {
        "icefield-postgres": "/v/postgres",
        "icefield-object-store": "/v/object-store",
        "icefield-pod-logs": "/l",
    }


def test_the_overlay_has_the_authorities_of_the_package_index(tmp_path: Path) -> None:
    tags = dict.fromkeys(overlay.STARTED, "1")
    overlay.write(tmp_path, "standalone", tags, package_index_authorities="-----BEGIN CERTIFICATE-----")
    operator, index = json.loads((tmp_path / "kustomization.yaml").read_text())["configMapGenerator"]
    assert "ICEFIELD_PACKAGE_INDEX_CA_FILE=/etc/icefield/package-index/ca.crt" in operator["literals"]
    assert index["name"] == "icefield-package-index"
    assert [(tmp_path / file).read_text() for file in index["files"]] == ["-----BEGIN CERTIFICATE-----"]
