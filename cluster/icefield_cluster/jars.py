"""Jars, fetched by Maven and checked against requirements/jars.txt, and the catalog server compiled from its sources.

`python -m icefield_cluster.jars` resolves the poms and writes the lock.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from icefield_cluster.commands import Argument, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import CHECKOUT, cache_dir, locked

LOCK = CHECKOUT / "requirements" / "jars.txt"
POMS = {
    "catalog": CHECKOUT / "engines" / "embedded_catalog" / "pom.xml",
    "warehouse": CHECKOUT / "images" / "warehouse" / "pom.xml",
}
SOURCES = {"catalog": CHECKOUT / "engines" / "embedded_catalog" / "src"}
JAVA_RELEASE = "17"

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FIX = (
    "install Maven and a JDK of version 17 (in Debian: maven, openjdk-17-jdk-headless), and let Maven reach its central"
)
_HEADER = """\
# Jars of the Java programs: the SHA-256 of each jar, its Maven coordinates, and the sets it belongs to (see
# icefield_cluster/jars.py). Written by `make lock`.
"""


@dataclass(frozen=True, order=True)
class Jar:
    """A jar: Maven coordinates (group:artifact:version) and the SHA-256 of its file in hexadecimal."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of its file in a Maven repository."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def locked_jars(name: str) -> list[Jar]:
    """The jars of a set, sorted.

    Raises:
        ClusterError: the lock has no such set.
    """
    jars = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            sha256, coordinates, sets = line.split()
            if name in sets.split(","):
                jars.append(Jar(coordinates, sha256))
    if not jars:
        raise ClusterError(f"{LOCK} has no set of jars named {name}", fix="run `make lock`")
    return sorted(jars)


def key_of(name: str) -> str:
    """A cache key of a set of jars: changes exactly when one of them does."""
    digest = hashlib.sha256("\n".join(f"{jar.sha256} {jar.file_name}" for jar in locked_jars(name)).encode())
    return f"{name}-{digest.hexdigest()[:12]}"


def source_files(name: str) -> list[Path]:
    """The Java sources compiled against a set, sorted; empty for most sets."""
    return sorted(SOURCES[name].rglob("*.java")) if name in SOURCES else []


def ensure(name: str, log: Path) -> Path:
    """Fetch a set of jars unless it is cached.

    Args:
        name: of the set.
        log: file for Maven's output.

    Returns:
        the folder with exactly the jars of the lock.

    Raises:
        ClusterError: Maven is missing or failed, or a jar differs from the lock.
    """
    home = cache_dir() / "jars"
    folder = home / key_of(name)
    with locked(home / f"{name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=home, prefix=f".fetch-{name}-") as scratch:
                fetched = _fetch(name, Path(scratch) / "repository", log)
                _check(name, [jar for jar, _ in fetched], log)
                complete = Path(scratch) / "jars"
                complete.mkdir()
                for jar, path in fetched:
                    path.rename(complete / jar.file_name)
                complete.rename(folder)
    return folder


def compile_sources(name: str, log: Path) -> Path:
    """Compile the sources of a set of jars unless cached, and return the folder of classes.

    Raises:
        ClusterError: a JDK or Maven is missing, or failed.
    """
    jars, sources = ensure(name, log), source_files(name)
    digest = hashlib.sha256(key_of(name).encode())
    for path in sources:
        digest.update(path.read_bytes())
    folder = cache_dir() / "jars" / f"{name}-classes-{digest.hexdigest()[:12]}"
    with locked(cache_dir() / "jars" / f"{name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".compile-{name}-") as scratch:
                classes = Path(scratch) / "classes"
                options: list[Argument] = [
                    "-proc:none",
                    "--release",
                    JAVA_RELEASE,
                    "-classpath",
                    f"{jars}/*",
                    "-d",
                    classes,
                ]
                run(["javac", *options, *sources], log=log, timeout=300, fix=_FIX)
                classes.rename(folder)
    return folder


def write_lock(log: Path) -> None:
    """Resolve the poms and write the lock."""
    sets: dict[Jar, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="icefield-jars-") as scratch:
        for name in POMS:
            for jar, _ in _fetch(name, Path(scratch) / name, log):
                sets.setdefault(jar, []).append(name)
    lines = [f"{jar.sha256} {jar.coordinates} {','.join(names)}\n" for jar, names in sorted(sets.items())]
    LOCK.write_text(_HEADER + "".join(lines), encoding="utf-8")


def _fetch(name: str, folder: Path, log: Path) -> list[tuple[Jar, Path]]:
    # The path in Maven's repository layout has the group: group/as/folders/artifact/version/artifact-version.jar.
    options = ["-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={folder}"]
    argv: list[Argument] = ["mvn", "--quiet", "--batch-mode", "--file", POMS[name], _PLUGIN, *options]
    run(argv, log=log, timeout=900, fix=_FIX)
    found = []
    for path in folder.rglob("*.jar"):
        *group, artifact, version, _ = path.relative_to(folder).parts
        found.append((Jar(f"{'.'.join(group)}:{artifact}:{version}", _sha256(path)), path))
    return found


def _check(name: str, fetched: list[Jar], log: Path) -> None:
    wanted = set(locked_jars(name))
    if different := sorted(wanted ^ set(fetched)):
        names = ", ".join(dict.fromkeys(jar.coordinates for jar in different))
        raise ClusterError(f"jars from Maven differ from {LOCK.name}: {names}", fix="run `make lock`", log=log)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="icefield-lock-") as logs:
        try:
            write_lock(Path(logs) / "maven.log")
        except ClusterError as error:
            sys.exit(f"error: {error.message}: {error.fix}")
