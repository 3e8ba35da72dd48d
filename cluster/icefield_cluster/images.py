"""The images of images/images.yaml: inputs, tag and build context of each."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from icefield_cluster import jars
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.programs.versions import MODULES

from .programs import binaries

REGISTRY = "localhost"
IMAGES = CHECKOUT / "images"


@dataclass(frozen=True)
class Debian:
    """A Debian root file system made by mmdebstrap: suite, packages, and excluded paths."""

    suite: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """An image that Icefield builds.

    Args:
        name: the last part of its name, and its folder below images/.
        inputs: globs relative to the checkout.
        base: whether it is built on the base image.
        programs: static programs, in its context as bin/<program>.
        jars: a set of jars, in its context as jars/, with classes compiled against them as classes/; empty for none.
        debian: a Debian root file system, in its context as base.tar.
        standalone_only: whether clusters that can pull images use an official one instead.
    """

    name: str
    inputs: tuple[str, ...] = ()
    base: bool = False
    programs: tuple[str, ...] = ()
    jars: str = ""
    debian: Debian | None = None
    standalone_only: bool = False

    @property
    def dockerfile(self) -> Path:
        """Its Dockerfile."""
        return IMAGES / self.name / "Dockerfile"

    def reference(self, tag: str, registry: str = REGISTRY) -> str:
        """Its full name with a tag."""
        return f"{registry}/icefield/{self.name}:{tag}"


def load() -> dict[str, Image]:
    """Every image by name, in the file's order.

    Raises:
        ClusterError: the file is missing.
    """
    file = IMAGES / "images.yaml"
    if not file.exists():
        raise ClusterError(f"{file} is missing", fix="run icefield from a whole checkout")
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))["images"]
    return {entry["name"]: _image(entry) for entry in entries}


def _image(entry: Mapping[str, object]) -> Image:
    debian = entry.get("debian")
    root = None
    if isinstance(debian, dict):
        root = Debian(str(debian["suite"]), tuple(debian["packages"]), tuple(debian.get("exclude", ())))
    return Image(
        name=str(entry["name"]),
        inputs=_words(entry.get("inputs")),
        base=bool(entry.get("base", False)),
        programs=_words(entry.get("programs")),
        jars=str(entry.get("jars", "")),
        debian=root,
        standalone_only=entry.get("only") == "standalone",
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def input_files(image: Image) -> list[Path]:
    """The files of an image's inputs, sorted, without __pycache__."""
    found = set()
    for pattern in image.inputs:
        # A pattern that ends in ** matches folders only.
        for path in CHECKOUT.glob(f"{pattern}/*" if pattern.endswith("**") else pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(path)
    return sorted(found)


def tag_of(image: Image, base: str) -> str:
    """A tag that changes exactly when an input of the image changes.

    Args:
        image: the image.
        base: full name of the base image; ignored for images that are not built on it.
    """
    digest = hashlib.sha256(image.dockerfile.read_bytes())
    digest.update(platform.machine().encode())
    for path in input_files(image):
        executable = "x" if path.stat().st_mode & 0o100 else "-"
        digest.update(f"\0{path.relative_to(CHECKOUT)}\0{executable}\0".encode())
        digest.update(path.read_bytes())
    if image.base:
        digest.update(base.encode())
    for program in image.programs:
        digest.update(binaries.find(program).parent.name.encode())
    if image.jars:
        digest.update(jars.key_of(image.jars).encode())
        for path in jars.source_files(image.jars):
            digest.update(path.read_bytes())
    if image.debian:
        digest.update(json.dumps([image.debian.suite, image.debian.packages, image.debian.exclude]).encode())
    return digest.hexdigest()[:12]


def fill_context(image: Image, context: Path, log: Path) -> None:
    """Fill the build context of an image: its inputs at the same paths as in the checkout.

    Args:
        image: the image.
        context: an empty folder.
        log: file for the output of builds of programs and of Maven.

    Raises:
        ClusterError: a program could not be built, or a jar not fetched.
    """
    for path in input_files(image):
        target = context / path.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for program in image.programs:
        module = next(module for module in MODULES if program in module.programs)
        (context / "bin").mkdir(exist_ok=True)
        shutil.copy2(binaries.ensure(module, log) / program, context / "bin" / program)
    if image.jars:
        shutil.copytree(jars.ensure(image.jars, log), context / "jars")
        if jars.source_files(image.jars):
            shutil.copytree(jars.compile_sources(image.jars, log), context / "classes")
