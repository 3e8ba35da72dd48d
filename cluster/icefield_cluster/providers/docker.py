"""Builds images with Docker, for clusters that can pull the official base image."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from icefield_cluster import images
from icefield_cluster.commands import Argument, CommandError, output, run
from icefield_cluster.images import Image

BASE = "docker.io/library/python:3.11-slim-bookworm"


def runs() -> bool:
    """Whether a Docker daemon answers."""
    if shutil.which("docker") is None:
        return False
    try:
        output(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=20)
    except CommandError:
        return False
    return True


def build_all(catalogue: Mapping[str, Image], registry: str, logs: Path, note: Callable[[str], None]) -> dict[str, str]:
    """Build every image except those for standalone clusters only, and return their tags.

    Args:
        catalogue: the images by name.
        registry: prefix of their names.
        logs: folder of the builds' logs.
        note: called with what is being built.

    Raises:
        ClusterError: a build failed.
    """
    tags = {}
    for name, image in catalogue.items():
        if image.standalone_only:
            continue
        tags[name] = images.tag_of(image, BASE)
        if not _exists(image.reference(tags[name], registry)):
            note(f"building {name}")
            _build(image, image.reference(tags[name], registry), logs / f"image-{name}.log")
    note("")
    return tags


def _exists(reference: str) -> bool:
    try:
        output(["docker", "image", "inspect", "--format", "{{.Id}}", reference], timeout=60)
    except CommandError:
        return False
    return True


def _build(image: Image, reference: str, log: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="icefield-context-") as folder:
        images.fill_context(image, Path(folder), log)
        arguments = [f"--build-arg=BASE={BASE}"] if image.base else []
        argv: list[Argument] = ["docker", "build", *arguments, "--file", image.dockerfile, "--tag", reference, folder]
        run(argv, log=log, timeout=1800, fix="check that Docker Hub and PyPI can be reached from here")
