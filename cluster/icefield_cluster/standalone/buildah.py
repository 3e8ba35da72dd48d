"""Builds images without a daemon and keeps them as archives, shared by every cluster of this user."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from icefield_cluster import images
from icefield_cluster.commands import Argument, CommandError, output, run
from icefield_cluster.images import Debian, Image
from icefield_cluster.paths import cache_dir, locked

# pip and apt inside a build use the host's certificate authorities and package index. One file, not its folder: Java's
# package generates its own store there from the image's authorities.
SHARED = ("/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates", "/etc/pip.conf")
FIX = "check that Debian's mirror and PyPI can be reached from here, then try again"
AT_ONCE = 3
# Versions of an image kept in the cache: for a few checkouts and branches.
KEPT = 4


def home() -> Path:
    """Folder of the archives."""
    return cache_dir() / "images"


def archive(image: Image, tag: str) -> Path:
    """Path of an image's archive, built or not."""
    return home() / f"{image.name}-{tag}.tar"


def tags(catalogue: Mapping[str, Image]) -> dict[str, str]:
    """Every image's tag by its name."""
    base = catalogue["base"]
    base_reference = base.reference(images.tag_of(base, ""))
    return {name: images.tag_of(image, base_reference) for name, image in catalogue.items()}


def build_all(
    catalogue: Mapping[str, Image],
    wanted: Mapping[str, str],
    logs: Path,
    note: Callable[[str], None],
    *,
    needed: Callable[[str], None],
) -> None:
    """Build every image that has no archive yet.

    Args:
        catalogue: the images by name.
        wanted: their tags by name.
        logs: folder of the builds' logs.
        note: called with what is being built.
        needed: called with an image's name as soon as its archive exists; in any order, from several threads.

    Raises:
        ClusterError: a build failed.
    """
    missing = [name for name in catalogue if not archive(catalogue[name], wanted[name]).exists()]
    home().mkdir(parents=True, exist_ok=True)
    # Small ones first: the platform itself needs them.
    for name in sorted(
        set(catalogue) - set(missing), key=lambda name: archive(catalogue[name], wanted[name]).stat().st_size
    ):
        # Pruning keeps the archives that were used last.
        archive(catalogue[name], wanted[name]).touch()
        needed(name)
    if not missing:
        note("unchanged")
        return
    with locked(home() / "build.lock"):
        for abandoned in home().glob(".context-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        try:
            _build_missing(catalogue, wanted, missing, logs, note, needed)
        finally:
            _unmount_storage()
        _prune(catalogue)
    note(f"built {', '.join(missing)}")


def _build_missing(
    catalogue: Mapping[str, Image],
    wanted: Mapping[str, str],
    missing: list[str],
    logs: Path,
    note: Callable[[str], None],
    needed: Callable[[str], None],
) -> None:
    base = catalogue["base"]
    base_reference = base.reference(wanted["base"])
    waiting = set(missing)

    def build(name: str) -> None:
        image, log = catalogue[name], logs / f"image-{name}.log"
        if not archive(image, wanted[name]).exists():
            _build(image, wanted[name], base_reference, log)
        waiting.discard(name)
        if waiting:
            note(f"building {', '.join(sorted(waiting))}")
        needed(name)

    note(f"building {', '.join(missing)}")
    if "base" in missing:
        build("base")
    elif any(catalogue[name].base for name in missing):
        _restore(base_reference, archive(base, wanted["base"]), logs / "image-base.log")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for done in [pool.submit(build, name) for name in missing if name != "base"]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _build(image: Image, tag: str, base_reference: str, log: Path) -> None:
    reference = image.reference(tag)
    with tempfile.TemporaryDirectory(dir=home(), prefix=".context-") as folder:
        context = Path(folder)
        images.fill_context(image, context, log)
        if image.debian:
            _make_debian(image.debian, context / "base.tar", log)
        mounts = [f"--volume={path}:{path}:ro" for path in SHARED if Path(path).exists()]
        options: list[Argument] = ["--isolation=chroot", "--network=host", "--layers", "--format=oci", *mounts]
        if image.base:
            options.append(f"--build-arg=BASE={base_reference}")
        argv = [*_buildah(), "build", *options, "--file", image.dockerfile, "--tag", reference, context]
        run(argv, log=log, timeout=1800, fix=FIX)
    partial = archive(image, tag).with_suffix(".partial")
    partial.unlink(missing_ok=True)
    # Uncompressed: it is read far more often than written, and compression costs more than disk.
    run(
        [*_buildah(), "push", "--disable-compression", reference, f"oci-archive:{partial}:{reference}"],
        log=log,
        timeout=600,
    )
    partial.rename(archive(image, tag))


def _prune(catalogue: Mapping[str, Image]) -> None:
    for image in catalogue.values():
        archives = sorted(home().glob(f"{image.name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in archives[KEPT:]:
            path.unlink(missing_ok=True)
            tag = path.stem.removeprefix(f"{image.name}-")
            with contextlib.suppress(CommandError):
                output([*_buildah(), "rmi", image.reference(tag)], timeout=60)


def _make_debian(debian: Debian, target: Path, log: Path) -> None:
    options = [f"--dpkgopt=path-exclude={path}" for path in debian.exclude]
    include = f"--include={','.join(debian.packages)}"
    argv: list[Argument] = ["mmdebstrap", "--variant=minbase", include, *options, debian.suite, target]
    run(argv, log=log, timeout=1800, fix=FIX)


def _restore(reference: str, path: Path, log: Path) -> None:
    try:
        output([*_buildah(), "inspect", "--type=image", reference], timeout=60)
    except CommandError:
        run([*_buildah(), "pull", f"oci-archive:{path}"], log=log, timeout=600)


def _storage() -> Path:
    return home() / "storage"


def _buildah() -> list[Argument]:
    # Separate storage: the machine's own images are neither used nor changed.
    return ["buildah", "--root", _storage(), "--runroot", home() / "run"]


def _unmount_storage() -> None:
    # The overlay driver leaves its folder mounted onto itself.
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        target = line.split()[4]
        if target.startswith(f"{_storage()}/"):
            with contextlib.suppress(CommandError):
                output(["umount", "--lazy", target], timeout=30)
