"""`python3 build.py`: makes the virtual environment of requirements, in the image that it is for, with its Python.

The environment sees the packages that its Python sees and has only what is new beside them: uv takes the versions that
are there as its preference (docs.astral.sh/uv, "Output file" of `uv pip compile`: versions of an existing output file
are preferred) and what it resolves to them is not installed again. A lock is installed as it stands.

A failure is one sentence in the termination message of the container: uv's own.

    ICEFIELD_ENVIRONMENT    where the environment is made, and used later: it cannot be moved
    ICEFIELD_REQUIREMENTS   a file with the requirements, one a line
    ICEFIELD_LOCK           a file with a lock instead, when it is not empty: a pylock.toml, or requirements with hashes
    ICEFIELD_UV             the uv program
"""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")
UV_SECONDS = 1500
"""For each call of uv; the pod has a deadline of its own."""
MAX_MESSAGE = 2000
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_TOLD = re.compile(r"^\s*(error|cause): (.+)")


class BuildError(Exception):
    """Why there is no environment, in one sentence."""


def main() -> None:
    """Make the environment that the variables describe."""
    environment, uv = Path(os.environ["ICEFIELD_ENVIRONMENT"]), os.environ["ICEFIELD_UV"]
    lock = Path(os.environ["ICEFIELD_LOCK"])
    try:
        make(environment, uv)
        if lock.exists() and lock.stat().st_size:
            install_lock(environment, uv, lock.read_text(encoding="utf-8"))
        else:
            install(environment, uv, Path(os.environ["ICEFIELD_REQUIREMENTS"]).read_text(encoding="utf-8"))
    except BuildError as error:
        print(error, file=sys.stderr)
        TERMINATION_LOG.write_text(str(error)[:MAX_MESSAGE], encoding="utf-8")
        sys.exit(1)


def make(environment: Path, uv: str) -> None:
    """Make an empty environment that sees what this Python sees.

    Raises:
        BuildError: uv does not run here, or this Python is too old for it.
    """
    call(uv, "venv", "--allow-existing", "--no-project", "--python", sys.executable, str(environment))
    link = site_packages(environment) / "image.pth"
    link.write_text("".join(f"{folder}\n" for folder in site.getsitepackages()), encoding="utf-8")


def install(environment: Path, uv: str, requirements: str) -> None:
    """Install what requirements need besides the packages of the image.

    Raises:
        BuildError: they cannot be met, or a package cannot be built.
    """
    present = versions()
    with tempfile.TemporaryDirectory() as scratch:
        wanted, resolved, rest = (Path(scratch) / name for name in ("requirements.in", "resolved.txt", "rest.txt"))
        wanted.write_text(requirements, encoding="utf-8")
        resolved.write_text("".join(f"{name}=={version}\n" for name, version in present.items()), encoding="utf-8")
        options = ("--quiet", "--no-header", "--no-annotate", "--python", str(environment / "bin" / "python"))
        call(uv, "pip", "compile", *options, str(wanted), "--output-file", str(resolved))
        lines = missing(resolved.read_text(encoding="utf-8"), present)
        rest.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if lines:
            install_file(environment, uv, rest, "--no-deps")


def install_lock(environment: Path, uv: str, lock: str) -> None:
    """Install a lock as it stands, hashes checked.

    Raises:
        BuildError: it has no hashes, they differ, or a package cannot be built.
    """
    is_pylock = re.search(r"^lock-version\s*=", lock, re.MULTILINE)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / ("pylock.toml" if is_pylock else "requirements.txt")
        file.write_text(lock, encoding="utf-8")
        install_file(environment, uv, file, *(() if is_pylock else ("--no-deps", "--require-hashes")))


def install_file(environment: Path, uv: str, file: Path, *options: str) -> None:
    """Install what a file names."""
    given = ("--python", str(environment / "bin" / "python"), *options, "--requirement", str(file))
    call(uv, "pip", "install", "--quiet", "--compile-bytecode", *given)


def versions() -> dict[str, str]:
    """Return the version of each package that this Python sees, by normalized name."""
    found: dict[str, str] = {}
    for package in metadata.distributions():
        # Of two on the path the first is the one that is imported.
        if name := package.metadata["Name"]:
            found.setdefault(normalized(name), package.version)
    return found


def missing(resolved: str, present: dict[str, str]) -> list[str]:
    """Return the lines of resolved requirements that are not there in this very version."""
    pins = ((line, _PIN.match(line)) for line in map(str.strip, resolved.splitlines()) if line)
    return [line for line, pin in pins if not pin or present.get(normalized(pin[1])) != pin[2]]


def normalized(name: str) -> str:
    """Return a package's name as indexes compare them (packaging.python.org, "Name normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site_packages(environment: Path) -> Path:
    """Return where an environment of this Python keeps its packages."""
    return environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def call(uv: str, *arguments: str) -> None:
    """Run uv.

    Raises:
        BuildError: it failed, with its last sentence.
    """
    settings = {"UV_NO_CACHE": "1", "UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1"}
    environment = {**os.environ, **settings, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            [uv, *arguments], env=environment, capture_output=True, text=True, timeout=UV_SECONDS, check=False
        )
    except OSError as error:
        raise BuildError(f"uv does not run in this image: {error.strerror}; it needs glibc") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"uv did not end within {UV_SECONDS} s") from error
    print(done.stdout + done.stderr, end="", file=sys.stderr)
    if done.returncode:
        raise BuildError(sentence(done.stderr) or f"uv ended with exit code {done.returncode}")


def sentence(printed: str) -> str:
    """Return the innermost cause that uv printed."""
    told = [found[2].strip() for found in map(_TOLD.match, printed.splitlines()) if found]
    return told[-1] if told else printed.strip().rpartition("\n")[2]


if __name__ == "__main__":
    main()
