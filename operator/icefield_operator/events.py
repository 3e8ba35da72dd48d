"""Pure: the Kubernetes Event that something happened to a resource of ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from icefield_crds import format_time, names
from icefield_crds.meta import Resource
from icefield_kube.client import Manifest


def warning(about: Resource[Any, Any], name: str, reason: str, message: str, now: datetime) -> Manifest:
    """Return a warning.

    Args:
        about: the resource.
        name: name of the Event; the same tells the same.
        reason: machine-readable, in CamelCase.
        message: for people.
        now: the present.
    """
    metadata, seen = about.metadata, format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": about.KIND,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "reportingInstance": names.FIELD_MANAGER,
        "firstTimestamp": seen,
        "lastTimestamp": seen,
        "count": 1,
    }
