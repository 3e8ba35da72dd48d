"""Where Prefect is installed: a virtual environment for server, worker and client, and a layer on the tasks' image.

A flow run ends because the code in its pod reports so to the server. The Kubernetes worker creates the Job and looks
only for Jobs that failed: with an image without Prefect, a flow run whose Job has succeeded stays Pending. So the image
of its tasks is that of everybody's, with Prefect added.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from icefield_cluster.commands import Argument, CommandError, output, run
from icefield_cluster.standalone import buildah, containerd
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id
from icefield_cluster.state import load

UV, PREFECT, PREFECT_KUBERNETES = "0.13.9", "3.9.1", "0.8.0"
FLOWS = "/opt/flows"
_HERE = Path(__file__).parent
_INSTALL_SECONDS, _BUILD_SECONDS = 300, 600
_CONTAINERFILE = f"""
FROM {{base}}
COPY packages /opt/prefect
COPY flow.py {FLOWS}/flow.py
ENV PYTHONPATH=/opt/prefect
"""


class Environment:
    """What is installed, in a folder that the caller makes and removes.

    Args:
        folder: an empty one.
        base: name of the image that Icefield's tasks run in.
    """

    def __init__(self, folder: Path, base: str) -> None:
        self.folder = folder
        self._base = base
        self.image = f"{base.rpartition(':')[0]}-prefect:{PREFECT}"
        self.log = folder / "install.log"
        state = load(Path(os.environ["KUBECONFIG"]).parent)
        if state is None or state.provider != "standalone":
            raise RuntimeError("this needs a standalone cluster: Prefect's image is imported into its node")
        self._network = ClusterNetwork(cluster_id(state.name, state.directory), state.number or 0)
        self._node = NodeLayout(state.directory, self._network)

    @property
    def address(self) -> str:
        """This machine's address as the cluster's pods reach it."""
        return self._network.host_address

    @property
    def python(self) -> Path:
        """The interpreter that has Prefect."""
        return self.folder / "venv" / "bin" / "python"

    def program(self, name: str) -> Path:
        """Return the path of one of Prefect's programs."""
        return self.python.parent / name

    def install(self) -> None:
        """Install Prefect, and make the image.

        Raises:
            CommandError: a step failed; the log says why.
        """
        tools, packages = self.folder / "tools", self.folder / "context" / "packages"
        run([sys.executable, "-m", "venv", tools], log=self.log, timeout=_INSTALL_SECONDS)
        run([tools / "bin" / "pip", "install", f"uv=={UV}"], log=self.log, timeout=_INSTALL_SECONDS)
        uv = tools / "bin" / "uv"
        run([uv, "venv", "--python", sys.executable, self.python.parents[1]], log=self.log, timeout=_INSTALL_SECONDS)
        # As pip does, and as Prefect's own image has it: compiling takes longer than the flow.
        install: list[Argument] = [uv, "pip", "install", "--compile-bytecode"]
        both = [f"prefect=={PREFECT}", f"prefect-kubernetes=={PREFECT_KUBERNETES}"]
        run([*install, "--python", self.python, *both], log=self.log, timeout=_INSTALL_SECONDS)
        # The image's Python has the same minor version as ours, which the project pins.
        assert sysconfig.get_python_version() == "3.11"
        run([*install, "--python", self.python, "--target", packages, both[0]], log=self.log, timeout=_INSTALL_SECONDS)
        self._build(packages.parent)

    def remove_image(self) -> None:
        """Remove the image from the node and from the build's storage."""
        for argv in ([*containerd.ctr(self._node.cri_socket), "images", "rm", self.image], _buildah("rmi", self.image)):
            try:
                output(argv, timeout=60)
            except CommandError as error:
                print(error, file=sys.stderr)

    def _build(self, context: Path) -> None:
        shutil.copy(_HERE / "flow.py", context / "flow.py")
        archive, file = self.folder / "image.tar", self.folder / "Containerfile"
        file.write_text(_CONTAINERFILE.format(base=self._base), encoding="utf-8")
        steps = (
            _buildah("pull", f"oci-archive:{self._base_archive()}"),
            _buildah("build", "--format=oci", "--file", file, "--tag", self.image, context),
            _buildah("push", "--disable-compression", self.image, f"oci-archive:{archive}:{self.image}"),
        )
        for argv in steps:
            run(argv, log=self.log, timeout=_BUILD_SECONDS)
        snapshotter = containerd.snapshotter(self._node)
        containerd.import_image(self._node.cri_socket, snapshotter, archive, self.log)
        archive.unlink()

    def _base_archive(self) -> Path:
        """Return the archive that `icefield up` made of the base."""
        name, _, tag = self._base.rpartition("/")[2].partition(":")
        return buildah.home() / f"{name}-{tag}.tar"


def _buildah(*arguments: Argument) -> list[Argument]:
    """Return a command line on the storage of Icefield's builds, which has the layers of the base."""
    return ["buildah", "--root", buildah.home() / "storage", "--runroot", buildah.home() / "run", *arguments]
