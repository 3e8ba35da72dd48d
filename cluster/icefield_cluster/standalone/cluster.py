"""Brings up a standalone cluster, each step idempotent: what runs already is left alone, what died is started again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from icefield_cluster import images
from icefield_cluster.commands import CommandError, output, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import locked
from icefield_cluster.processes import abandon_children, wait_until
from icefield_cluster.progress import Steps
from icefield_cluster.standalone import (
    binaries,
    buildah,
    cgroups,
    containerd,
    controlplane,
    coredns,
    etcd,
    host,
    kubelet,
    network,
    packages,
    pki,
    services,
    teardown,
)
from icefield_cluster.standalone.layout import NODE_NAME
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id
from icefield_cluster.standalone.versions import MODULES, VERSITYGW
from icefield_cluster.state import ClusterState

# Users of the volumes: the fixed one of all our images.
VOLUME_OWNER = 65532
VOLUMES = ("postgres", "object-store")
IMPORTS_AT_ONCE = 2
# Only what users start needs them, and they are by far the largest.
LATER_IMAGES = ("runtime", "warehouse", "polars", "polars-cloud")


def why_not() -> str:
    """Why a standalone cluster cannot run here; empty when it can."""
    if not sys.platform.startswith("linux"):
        return "a standalone cluster needs Linux"
    if os.geteuid() != 0:
        return "a standalone cluster needs root"
    if not os.access("/sys/fs/cgroup", os.W_OK):
        return "a standalone cluster needs a writable /sys/fs/cgroup"
    return ""


class StandaloneCluster:
    """One cluster of this kind.

    Args:
        state: what is remembered about it.
        steps: where progress is shown.
    """

    def __init__(self, state: ClusterState, steps: Steps) -> None:
        self.state = state
        self.steps = steps
        self.id = cluster_id(state.name, state.directory)
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="icefield")
        self._imports = ThreadPoolExecutor(IMPORTS_AT_ONCE, thread_name_prefix="import")
        self._importing: dict[str, Future[None]] = {}

    def up(self, install: Callable[[dict[str, str]], None]) -> None:
        """Bring it up, and call `install` with the images' tags as soon as the platform can be installed.

        Raises:
            ClusterError: a step failed.
        """
        try:
            self._up(install)
        except BaseException:
            # Nobody waits for what else was begun.
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._imports.shutdown(wait=False, cancel_futures=True)
            abandon_children()
            raise
        self._pool.shutdown()
        self._imports.shutdown()

    def _up(self, install: Callable[[dict[str, str]], None]) -> None:
        with self.steps.step("System packages") as step:
            installed = packages.ensure(step.log)
            step.note(f"installed {', '.join(installed)}" if installed else "present")
        catalogue = images.load()
        tags = buildah.tags(catalogue)
        pause = catalogue["pause"].reference(tags["pause"])
        node = self._network()
        runtime = self._pool.submit(self._start_containerd, node, pause)
        built = self._pool.submit(self._build_images, catalogue, tags, node, runtime)
        self._build_programs()
        self._start_control_plane(node)
        runtime.result()
        self._start_node(node)
        with self.steps.step("Images") as step:
            built.result()
            step.note("in the node")
            for name, done in self._importing.items():
                if name not in LATER_IMAGES:
                    done.result()
        install(tags)
        later = [self._importing[name] for name in LATER_IMAGES]
        if not all(done.done() for done in later):
            with self.steps.step("Images of tasks, warehouses and sandboxes"):
                for done in later:
                    done.result()

    def _build_programs(self) -> None:
        for module in MODULES:
            if module is VERSITYGW:
                continue
            with self.steps.step(
                f"{module.name} {module.version}", self.state.logs / f"build-{module.name}.log"
            ) as step:
                step.note("cached" if binaries.is_built(module) else "building, once per machine")
                binaries.ensure(module, step.log)

    def _network(self) -> NodeLayout:
        with self.steps.step("Network and cgroup") as step:
            host.enter(self.id)
            with locked(host.LOCK):
                if self.state.number is None:
                    self.state.number = network.free_number()
                    self.state.save()
                own = ClusterNetwork(self.id, self.state.number)
                if network.exists(own):
                    network.keep_inside(own)
                    network.open_way_out(own)
                else:
                    # After a restart of the machine, or an attempt that was killed: data stay, the rest is made anew.
                    teardown.stop_everything(NodeLayout(self.state.directory, own))
                    network.remove(own)
                    network.create(own)
            node = NodeLayout(self.state.directory, own)
            (node.run / "number").write_text(str(self.state.number), encoding="utf-8")
            cgroups.create(node.cgroup)
            step.note(f"{own.address}, cgroup v{2 if cgroups.is_v2() else 1}")
        return node

    def _start_control_plane(self, node: NodeLayout) -> None:
        layout, state = node.control_plane, self.state
        with self.steps.step("Certificates"):
            pki.ensure(layout)
            shutil.copy2(layout.admin_kubeconfig, state.kubeconfig)
        with self.steps.step("Control plane", state.logs / "kube-apiserver.log") as step:
            services.ensure(state, node, "etcd", etcd.command(layout))
            apiserver = services.ensure(state, node, "kube-apiserver", controlplane.apiserver(layout))
            wait_until("kube-apiserver", [apiserver], lambda: controlplane.is_ready(layout), timeout=120, log=step.log)
            controlplane.bind_roles(layout)
            services.ensure(state, node, "kube-controller-manager", controlplane.controller_manager(layout))
            services.ensure(state, node, "kube-scheduler", controlplane.scheduler(layout))
            step.note(layout.url)

    def _start_containerd(self, node: NodeLayout, pause: str) -> None:
        with self.steps.step("containerd", self.state.logs / "containerd.log") as step:
            text = containerd.write(node, pause)
            argv = containerd.command(node)
            process = services.ensure(self.state, node, "containerd", argv, configuration=text)
            wait_until("containerd", [process], lambda: containerd.is_ready(node), timeout=60, log=step.log)

    def _start_node(self, node: NodeLayout) -> None:
        state = self.state
        with self.steps.step("Node", state.logs / "kubelet.log") as step:
            for name in VOLUMES:
                folder = node.volumes / name
                folder.mkdir(parents=True, exist_ok=True, mode=0o711)
                os.chown(folder, VOLUME_OWNER, VOLUME_OWNER)
                folder.chmod(0o700)
            kubelet_text, proxy_text = kubelet.write(node)
            names = coredns.write(node)
            running = services.ensure(state, node, "kubelet", kubelet.kubelet(node), configuration=kubelet_text)
            services.ensure(state, node, "coredns", coredns.command(node), configuration=names)
            self._kubectl("apply", "--server-side", "-f", "-", stdin=coredns.service(node))
            wait_until("the node", [running], self._node_is_ready, timeout=120, log=step.log)
            # Not earlier: kube-proxy ends when the addresses of its node change, and at first there are none.
            services.ensure(state, node, "kube-proxy", kubelet.kube_proxy(node), configuration=proxy_text)

    def _node_is_ready(self) -> bool:
        query = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        try:
            return self._kubectl("get", "node", NODE_NAME, "--ignore-not-found", query) == "True"
        except CommandError:
            return False

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return output(
            [binaries.find("kubectl"), "--kubeconfig", self.state.kubeconfig, *arguments], stdin=stdin, timeout=60
        )

    def _build_images(
        self, catalogue: dict[str, images.Image], tags: dict[str, str], node: NodeLayout, runtime: Future[None]
    ) -> None:
        def bring_in(name: str) -> None:
            runtime.result()
            if name != "base":
                self._import(node, catalogue[name], tags[name])

        def announce(name: str) -> None:
            self._importing[name] = self._imports.submit(bring_in, name)

        with self.steps.step("Build images") as step:
            buildah.build_all(catalogue, tags, self.state.logs, step.note, needed=announce)

    def _import(self, node: NodeLayout, image: images.Image, tag: str) -> None:
        reference = image.reference(tag)
        present = output([*containerd.ctr(node), "images", "list", "--quiet"], timeout=60).split()
        if reference not in present:
            options = ["--snapshotter", containerd.snapshotter(node)]
            argv = [*containerd.ctr(node), "images", "import", *options, buildah.archive(image, tag)]
            run(argv, log=self.state.logs / f"import-{image.name}.log", timeout=600)
        self.state.images[image.name] = tag
        self.state.save()


def down(state: ClusterState, steps: Steps) -> None:
    """Take a cluster down and leave nothing behind, whatever state it is in.

    Raises:
        ClusterError: something would not go.
    """
    own = ClusterNetwork(cluster_id(state.name, state.directory), state.number or 0)
    node = NodeLayout(state.directory, own)
    with steps.step("Stop the programs"):
        teardown.stop_everything(node)
    with steps.step("Remove network, mounts and cgroups") as step:
        left = teardown.remove_everything(node)
        if left:
            raise ClusterError(f"could not be removed: {', '.join(str(path) for path in left)}", log=step.log)
    host.leave()


def unfinished(directory: Path, name: str) -> int | None:
    """The number of a cluster whose state is lost but whose parts are still there; None when there is none."""
    file = host.HOME / cluster_id(name, directory) / "number"
    return int(file.read_text(encoding="utf-8")) if file.exists() else None
