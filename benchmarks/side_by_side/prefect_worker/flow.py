"""The flow that Prefect runs: the command of everybody's task. It is copied into the image."""

import subprocess

from prefect import flow  # type: ignore[import-not-found, unused-ignore]


@flow  # type: ignore[untyped-decorator, unused-ignore]
def trivial() -> None:
    """Run the command."""
    subprocess.run(["true"], check=True, timeout=60)
