"""Creates and updates a standalone cluster. Each step is idempotent: what runs is kept, what ended restarted."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from icefield_cluster import images
from icefield_cluster.commands import CommandError, output
from icefield_cluster.errors import ClusterError
from icefield_cluster.parts import Part
from icefield_cluster.paths import locked
from icefield_cluster.processes import kill_children, wait_until
from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import COREDNS, ETCD, KUBERNETES, MODULES, Module
from icefield_cluster.progress import Steps
from icefield_cluster.standalone import (
    buildah,
    cgroups,
    containerd,
    controlplane,
    coredns,
    etcd,
    host,
    kubelet,
    logs,
    network,
    packages,
    pki,
    services,
    teardown,
    unpacked,
)
from icefield_cluster.standalone.layout import NODE_NAME
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id
from icefield_cluster.state import ClusterState

# The user id of all our images, which owns the volumes.
VOLUME_OWNER = 65532
VOLUMES = ("postgres", "object-store")
# Needed only by what users start, and by far the largest.
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
        state: its state.
        steps: where progress is shown.
    """

    def __init__(self, state: ClusterState, steps: Steps) -> None:
        self.state = state
        self.steps = steps
        self.id = cluster_id(state.name, state.directory)
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="icefield")
        # One at a time: a build uses every core, and two would compile the standard library twice.
        self._builds = ThreadPoolExecutor(1, thread_name_prefix="build")
        self._imports = ThreadPoolExecutor(containerd.IMPORTS_AT_ONCE, thread_name_prefix="import")
        self._importing: dict[str, Future[None]] = {}

    def up(self, install: Callable[[dict[str, str]], None]) -> None:
        """Create or update it, and call `install` with the images' tags as soon as the platform can be installed.

        Raises:
            ClusterError: a step failed.
        """
        pools = (self._pool, self._builds, self._imports)
        try:
            self._up(install)
        except BaseException:
            # Nothing waits for the other steps any more.
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            kill_children()
            raise
        for pool in pools:
            pool.shutdown()

    def _up(self, install: Callable[[dict[str, str]], None]) -> None:
        logs.bound(self.state.logs)
        authorities_are_missing = packages.AUTHORITIES in packages.missing()
        installed = self._pool.submit(self._install_packages)
        if authorities_are_missing:
            # Go verifies its downloads' servers with them.
            installed.result()
        programs = {module: self._builds.submit(self._build, module) for module in (KUBERNETES, ETCD, COREDNS)}
        self._pool.submit(self._download_modules)
        installed.result()
        catalogue = images.load()
        tags = buildah.tags(catalogue)
        pause = catalogue["pause"].reference(tags["pause"])
        node = self._network()
        archives = {
            image.reference(tags[name]): buildah.archive(image, tags[name])
            for name, image in catalogue.items()
            if name != "base"
        }
        runtime = self._pool.submit(self._start_containerd, node, pause, archives)
        built = self._pool.submit(self._build_images, catalogue, tags, node, runtime)
        for module in (KUBERNETES, ETCD):
            programs[module].result()
        self._start_control_plane(node)
        for needed in (runtime, programs[COREDNS]):
            needed.result()
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

    def _install_packages(self) -> None:
        with self.steps.step("System packages") as step:
            installed = packages.ensure(step.log)
            step.note(f"installed {', '.join(installed)}" if installed else "present")

    def _download_modules(self) -> None:
        # A build downloads its own modules; these are here early, while the processor compiles what precedes it.
        missing = [module for module in MODULES if not binaries.is_built(module)]
        if missing:
            with self.steps.step("Go modules") as step:
                for module in missing:
                    step.note(f"downloading {module.name}")
                    binaries.download(module, step.log)
                step.note("downloaded")

    def _build(self, module: Module) -> None:
        log = self.state.logs / f"build-{module.name}.log"
        with self.steps.step(f"{module.name} {module.version}", log) as step:
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
                    network.reject_unrouted(own)
                    network.masquerade(own)
                else:
                    # After a reboot or an interrupted attempt: data is kept, the rest re-created.
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
        with self.steps.step("Certificates") as step:
            pki.ensure(layout)
            step.note(f"valid until {pki.valid_until(layout):%Y-%m-%d}")
            shutil.copy2(layout.admin_kubeconfig, state.kubeconfig)
        with self.steps.step("Control plane", state.logs / "kube-apiserver.log") as step:
            keys = pki.digest(layout)
            services.ensure(state, node, "etcd", etcd.command(layout), configuration=keys)
            apiserver = services.ensure(
                state, node, "kube-apiserver", controlplane.apiserver(layout), configuration=keys
            )
            wait_until("kube-apiserver", [apiserver], lambda: controlplane.is_ready(layout), timeout=120, log=step.log)
            controlplane.bind_roles(layout)
            for name, argv in (
                ("kube-controller-manager", controlplane.controller_manager(layout)),
                ("kube-scheduler", controlplane.scheduler(layout)),
            ):
                services.ensure(state, node, name, argv, configuration=keys)
            step.note(layout.url)

    def _start_containerd(self, node: NodeLayout, pause: str, archives: Mapping[str, Path]) -> None:
        self._link_images(node, archives)
        with self.steps.step("containerd", self.state.logs / "containerd.log") as step:
            text = containerd.write(node, pause)
            argv = containerd.command(node)
            process = services.ensure(self.state, node, "containerd", argv, configuration=text)
            wait_until("containerd", [process], lambda: containerd.is_ready(node.cri_socket), timeout=60, log=step.log)

    def _link_images(self, node: NodeLayout, archives: Mapping[str, Path]) -> None:
        """Give a new node the unpacked images of the cache, where files can be linked."""
        if node.containerd_root.exists() or containerd.snapshotter(node) != unpacked.SNAPSHOTTER:
            return
        with self.steps.step("Unpacked images", self.state.logs / "unpacked.log") as step:
            step.note("linking" if unpacked.has(archives) else "unpacking new ones, once for all clusters")
            try:
                unpacked.fill(node.containerd_root, archives, step.log)
                step.note("linked" if node.containerd_root.exists() else "none")
            except (ClusterError, OSError) as error:
                # They are imported one by one then.
                step.note("cannot be linked here")
                with step.log.open("a", encoding="utf-8") as sink:
                    sink.write(f"{error}\n")

    def _start_node(self, node: NodeLayout) -> None:
        state = self.state
        with self.steps.step("Node", state.logs / "kubelet.log") as step:
            for name in VOLUMES:
                folder = node.volumes / name
                folder.mkdir(parents=True, exist_ok=True, mode=0o711)
                os.chown(folder, VOLUME_OWNER, VOLUME_OWNER)
                folder.chmod(0o700)
            keys = pki.digest(node.control_plane)
            kubelet_text, proxy_text = (text + keys for text in kubelet.write(node))
            names = coredns.write(node) + keys
            running = services.ensure(state, node, "kubelet", kubelet.kubelet(node), configuration=kubelet_text)
            services.ensure(state, node, "coredns", coredns.command(node), configuration=names)
            self._kubectl("apply", "--server-side", "-f", "-", stdin=coredns.service(node))
            wait_until("the node", [running], self._node_is_ready, timeout=120, log=step.log)
            # Not earlier: kube-proxy ends when the addresses of its node change, and a new node has none.
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
        def import_when_ready(name: str) -> None:
            runtime.result()
            if name != "base":
                self._import(node, catalogue[name], tags[name])

        def schedule_import(name: str) -> None:
            self._importing[name] = self._imports.submit(import_when_ready, name)

        with self.steps.step("Build images") as step:
            buildah.build_all(catalogue, tags, self.state.logs, step.note, needed=schedule_import)

    def _import(self, node: NodeLayout, image: images.Image, tag: str) -> None:
        reference = image.reference(tag)
        log = self.state.logs / f"import-{image.name}.log"
        if reference not in containerd.images(node.cri_socket):
            containerd.import_image(node.cri_socket, containerd.snapshotter(node), buildah.archive(image, tag), log)
        containerd.pin(node.cri_socket, reference, log)
        self.state.images[image.name] = tag
        self.state.save()


def parts(state: ClusterState) -> list[Part]:
    """Its images, which the node cannot pull, and its certificates."""
    node = NodeLayout(state.directory, ClusterNetwork(cluster_id(state.name, state.directory), state.number or 0))
    catalogue = images.load()
    wanted = {catalogue[name].reference(tag) for name, tag in state.images.items() if name in catalogue}
    try:
        missing = sorted(wanted - containerd.images(node.cri_socket))
    except CommandError:
        missing = sorted(wanted)
    found = Part("images", ", ".join(missing) or f"{len(wanted)} in the node", not missing, _word(missing, "missing"))
    if not pki.exist(node.control_plane):
        return [found]
    end = pki.valid_until(node.control_plane)
    is_due = pki.is_due(node.control_plane)
    return [found, Part("certificates", f"until {end:%Y-%m-%d}", not is_due, _word(is_due, "to be renewed"))]


def _word(is_bad: object, word: str) -> str:
    return word if is_bad else "present"


def down(state: ClusterState, steps: Steps) -> None:
    """Delete a cluster completely, whatever state it is in.

    Raises:
        ClusterError: something could not be removed.
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
    """The number of a cluster whose state is lost but whose parts still exist; None when there is none."""
    file = host.HOME / cluster_id(name, directory) / "number"
    return int(file.read_text(encoding="utf-8")) if file.exists() else None
