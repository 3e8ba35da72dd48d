"""The packages of a workload's requirements: unpacked where it runs, and found after those of the image."""

from __future__ import annotations

import site
import sys
import tempfile
from pathlib import Path

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload

from .errors import WorkloadError


def add(workload: Workload) -> None:
    """Make the packages of a workload's requirements importable.

    Raises:
        WorkloadError: START; they cannot be unpacked.
    """
    if workload.environment_key is None:
        return
    # Imported here, for it takes a while: a warm sandbox has no use for it.
    from icefield_engines.environments.archive import ArchiveError, client, fetch

    directory, store = Path(tempfile.mkdtemp(prefix="environment-")), workload.access.object_store
    opened = client(
        endpoint_url=store.endpoint,
        region_name=store.region,
        aws_access_key_id=store.access_key_id,
        aws_secret_access_key=store.secret_access_key,
    )
    try:
        fetch(opened, directory, store.bucket, workload.environment_key)
    except ArchiveError as error:
        raise WorkloadError(FailureKind.START, str(error)) from error
    packages = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.addsitedir(str(packages))
