"""Clusters come and go without a trace, survive being killed half-way, and live side by side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from icefield_cluster import lifecycle
from icefield_cluster.paths import cache_dir
from icefield_cluster.standalone import unpacked
from icefield_cluster.standalone.cluster import why_not
from icefield_cluster.state import ClusterState, load
from tests.platform import Platform, icefield

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(why_not()), reason=why_not())]

SHARED_PLACES = (
    "/run",
    "/run/containerd",
    "/run/netns",
    "/var/lib",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log",
    "/opt",
)
SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")


def output_lines(*argv: str) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout.splitlines()


def traces(mark: str) -> dict[str, list[str]]:
    """What on this machine names a cluster, wherever it may have left something.

    Other people's programs come and go on a machine meanwhile, so only what has the cluster's mark counts.
    """
    cgroups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup")]
    processes = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    found = {
        "processes": processes,
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "namespaces": output_lines("ip", "netns", "list"),
        "devices": output_lines("ip", "-details", "link"),
        "rules": output_lines("nft", "list", "ruleset"),
        "cgroups": cgroups,
        "files": [str(path) for place in SHARED_PLACES for path in Path(place).glob("*")],
        "links": _links(Path("/var/log/containers")),
    }
    return {place: lines for place, names in found.items() if (lines := [name for name in names if mark in name])}


def _links(folder: Path) -> list[str]:
    """Where the links of a folder point; other clusters make and delete theirs meanwhile."""
    found = []
    for link in folder.glob("*"):
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def machine() -> dict[str, object]:
    """What clusters share and therefore have to put back, in so far as only the last one does."""
    return {
        "folders": {place: sorted(os.listdir(place)) for place in SHARED_PLACES if Path(place).is_dir()},  # noqa: PTH208
        "sysctls": {name: Path("/proc/sys", name).read_text() for name in SYSCTLS},
    }


@pytest.fixture
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="icefield-life-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(place: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs `icefield COMMAND` for a cluster that is taken down whatever happens."""

    def command(verb: str) -> subprocess.CompletedProcess[str]:
        return icefield(verb, "--name", "life", "--state-dir", place)

    yield command
    command("down")


def up(cluster: Callable[..., subprocess.CompletedProcess[str]], place: Path) -> ClusterState:
    done = cluster("up")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    state = load(place)
    assert state
    return state


def is_well(state: ClusterState) -> bool:
    return all(part.is_well for part in lifecycle.health(state))


def _kill_all(state: ClusterState) -> None:
    for process in state.processes.values():
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(process.alive for process in state.processes.values()) and time.monotonic() < deadline:
        time.sleep(0.1)


def _kill_during(place: Path, sign: str) -> None:
    """Start `up`, and kill it with everything it runs as soon as its output has `sign`."""
    program = Path(sys.executable).with_name("icefield")
    argv = [str(program), "up", "--name", "life", "--state-dir", str(place)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as command:
        assert command.stdout
        assert any(sign in line for line in command.stdout), f"it ended before it printed {sign!r}"
        os.killpg(command.pid, signal.SIGKILL)


def assert_each_runs_once(state: ClusterState, place: Path) -> None:
    """What a killed command had started was taken over or ended."""
    running = traces(place.name)["processes"]
    for name in (process.name for process in state.processes.values()):
        assert sum(f"/{name} " in line for line in running) <= 1, name


def assert_gone(state: ClusterState, place: Path) -> None:
    """Nothing of a cluster that was taken down is left."""
    assert traces(place.name) == {}
    assert traces("icefield-life") == {}
    assert not place.exists()
    assert f"icefield{state.number}" not in {
        link["ifname"] for link in json.loads("".join(output_lines("ip", "-json", "link")))
    }
    assert not [line for line in output_lines("nft", "list", "tables") if line.endswith(f"icefield-{state.number}")]


def assert_images_are_linked(place: Path) -> None:
    """A new node has the files of the images in the cache, where the file systems allow that."""
    kind = output_lines("stat", "-f", "-c", "%T", str(place))
    if kind == ["overlayfs"] or place.stat().st_dev != cache_dir().stat().st_dev:
        return
    blobs = list((place / "containerd" / unpacked.LINKED[0] / "sha256").iterdir())
    assert blobs
    assert all(blob.stat().st_nlink > 1 for blob in blobs)


def test_a_cluster_leaves_no_trace_and_disturbs_no_other(
    platform: Platform, cluster: Callable[..., subprocess.CompletedProcess[str]], place: Path
) -> None:
    before = machine()
    # Each recovers from the kill before it; the last one comes up.
    for sign in ("✓ Network", "… Rollout"):
        _kill_during(place, sign)
    state = up(cluster, place)
    assert is_well(state) and is_well(platform.state)
    assert_each_runs_once(state, place)
    assert state.number != platform.state.number
    assert state.api_url != platform.api_url
    assert_images_are_linked(place)

    assert {"processes", "mounts"} <= traces(place.name).keys()
    processes = dict(state.processes)
    again = up(cluster, place)
    assert again.processes == processes, "what runs is left alone"

    _kill_all(state)
    assert cluster("status").returncode != 0
    key, state = state.api_key.read_text(), up(cluster, place)
    assert is_well(state)
    assert state.api_key.read_text() == key, "data outlive the programs"

    done = cluster("down")
    assert done.returncode == 0, done.stderr
    assert_gone(state, place)
    assert is_well(platform.state)
    assert machine() == before


def test_down_takes_away_what_a_killed_up_left(
    cluster: Callable[..., subprocess.CompletedProcess[str]], place: Path
) -> None:
    _kill_during(place, "… Control plane")
    (place / "state.json").unlink()
    assert cluster("down").returncode == 0
    assert traces(place.name) == {}
    assert traces("icefield-life") == {}
