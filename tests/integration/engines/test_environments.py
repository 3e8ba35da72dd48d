"""The programs that build, keep and unpack environments, with uv and an object store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from icefield_engines.environments import archive
from icefield_engines.environments import build as build_module
from tests.object_store import REGION, RunningObjectStore, s3_client

pytestmark = pytest.mark.integration

UV = Path(sys.prefix).resolve().parent / ".bootstrap" / "bin" / "uv"
BUCKET = "environments"


class Image(NamedTuple):
    """A Python that has the wheel `icefieldpresent`, as an image has one, and an index of wheels."""

    python: Path
    index: Path
    environment: Path

    def build(self, *requirements: str, lock: str = "") -> subprocess.CompletedProcess[str]:
        """Build an environment."""
        given = {name: self.index.parent / name for name in ("requirements", "lock")}
        given["requirements"].write_text("".join(f"{line}\n" for line in requirements))
        given["lock"].write_text(lock)
        variables = {
            "ICEFIELD_ENVIRONMENT": self.environment,
            "ICEFIELD_REQUIREMENTS": given["requirements"],
            "ICEFIELD_LOCK": given["lock"],
            "ICEFIELD_UV": UV,
            "UV_DEFAULT_INDEX": self.index,
        }
        program = Path(build_module.__file__)
        code = (
            "import pathlib, runpy, sys; sys.argv = ['build.py']; module = runpy.run_path(sys.orig_argv[-1]); "
            f"module['main'].__globals__['TERMINATION_LOG'] = pathlib.Path({str(self.index.parent / 'message')!r}); "
            "module['main']()"
        )
        return subprocess.run(
            [self.python, "-c", code, program],
            env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in variables.items()}},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def message(self) -> str:
        """What the container would say at its end."""
        return (self.index.parent / "message").read_text()

    def run(self, code: str) -> str:
        """Return what a program in the environment prints."""
        python = self.environment / "bin" / "python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An image with `icefieldpresent` 1.0, an index with its 1.0 and 2.0, and with `icefieldmine`, which needs it."""
    index = tmp_path / "index"
    index.mkdir()
    for version in ("1.0", "2.0"):
        wheel(index, "icefieldpresent", version)
    wheel(index, "icefieldmine", "1.0", "icefieldpresent")
    venv.create(tmp_path / "image", with_pip=False)
    python = tmp_path / "image" / "bin" / "python"
    install = [UV, "pip", "install", "--default-index", index, "--python", python, "icefieldpresent==1.0"]
    subprocess.run(install, check=True, capture_output=True)
    return Image(python, index, tmp_path / "environment")


def wheel(folder: Path, name: str, version: str, *needs: str) -> str:
    """Make a wheel with one module that knows its version; return its SHA-256."""
    # The folder is an index as PEP 503 has it.
    (folder / name).mkdir(exist_ok=True)
    path, info = folder / name / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},sha256={_digest(text)},{len(text)}\n" for file, text in files.items())
    with zipfile.ZipFile(path, "w") as archived:
        for file, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archived.writestr(file, text)
    links = "".join(f'<a href="{each.name}">{each.name}</a>' for each in sorted(path.parent.glob("*.whl")))
    (path.parent / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_an_environment_has_only_what_the_image_lacks(image: Image) -> None:
    assert image.build("icefieldmine").returncode == 0
    assert (
        image.run("import icefieldmine, icefieldpresent; print(icefieldmine.VERSION, icefieldpresent.VERSION)")
        == "1.0 1.0"
    )
    assert image.run("import icefieldpresent; print(icefieldpresent.__file__)").startswith(
        str(image.python.parent.parent)
    )


def test_another_version_than_the_images_wins(image: Image) -> None:
    assert image.build("icefieldmine", "icefieldpresent>=2").returncode == 0
    assert image.run("import icefieldpresent; print(icefieldpresent.VERSION)") == "2.0"


def test_what_cannot_be_met_is_said_in_uvs_words(image: Image) -> None:
    assert image.build("icefieldmine==7").returncode == 1
    assert "there is no version of icefieldmine==7" in image.message
    assert "\n" not in image.message
    assert not image.message.startswith(("error", "cause", "╰"))


def test_a_lock_is_installed_as_it_stands_and_its_hashes_hold(image: Image) -> None:
    digest = wheel(image.index, "icefieldpresent", "2.0")
    lock = "icefieldpresent==2.0 \\\n    --hash=sha256:{}\n"
    assert image.build(lock=lock.format(digest)).returncode == 0
    assert image.run("import icefieldpresent; print(icefieldpresent.VERSION)") == "2.0"
    shutil.rmtree(image.environment)
    assert image.build(lock=lock.format("0" * 64)).returncode == 1
    assert "hash" in image.message.lower()


def test_a_pylock_is_installed(image: Image) -> None:
    digest = wheel(image.index, "icefieldpresent", "2.0")
    url = (image.index / "icefieldpresent" / "icefieldpresent-2.0-py3-none-any.whl").as_uri()
    lock = (
        'lock-version = "1.0"\ncreated-by = "uv"\n\n[[packages]]\nname = "icefieldpresent"\nversion = "2.0"\n'
        f'wheels = [{{ url = "{url}", hashes = {{ sha256 = "{digest}" }} }}]\n'
    )
    done = image.build(lock=lock)
    assert done.returncode == 0, done.stderr
    assert image.run("import icefieldpresent; print(icefieldpresent.VERSION)") == "2.0"


def test_what_was_stored_is_unpacked_at_its_place(
    image: Image, object_store: RunningObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(object_store, monkeypatch)
    assert image.build("icefieldmine").returncode == 0
    archive.store(archive.client(), image.environment, BUCKET, "workspaces/w/environments/a.tar.gz")
    shutil.rmtree(image.environment)
    with pytest.raises(archive.ArchiveError, match="cannot be fetched"):
        archive.fetch(archive.client(), image.environment, BUCKET, "workspaces/w/environments/b.tar.gz")
    archive.fetch(archive.client(), image.environment, BUCKET, "workspaces/w/environments/a.tar.gz")
    assert image.run("import icefieldmine; print(icefieldmine.VERSION)") == "1.0"


def test_what_is_unpacked_does_not_touch_the_folder_it_is_unpacked_into(
    image: Image, object_store: RunningObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(object_store, monkeypatch)
    assert image.build("icefieldmine").returncode == 0
    archive.store(archive.client(), image.environment, BUCKET, "workspaces/w/environments/c.tar.gz")
    shutil.rmtree(image.environment)
    image.environment.mkdir(mode=0o2777)
    image.environment.chmod(0o2777)
    os.utime(image.environment, (1, 1))
    archive.fetch(archive.client(), image.environment, BUCKET, "workspaces/w/environments/c.tar.gz")
    assert image.environment.stat().st_mode & 0o7777 == 0o2777


def _use(object_store: RunningObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "AWS_ENDPOINT_URL": object_store.url,
        "AWS_ACCESS_KEY_ID": object_store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": object_store.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asyncio.run(_make_bucket(object_store))


async def _make_bucket(store: RunningObjectStore) -> None:
    async with s3_client(store.url, store.access_key_id, store.secret_access_key) as client:
        found = {each["Name"] for each in (await client.list_buckets())["Buckets"]}
        if BUCKET not in found:
            await client.create_bucket(Bucket=BUCKET)
