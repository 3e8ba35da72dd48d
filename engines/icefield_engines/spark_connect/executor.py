"""`python -m icefield_engines.spark_connect.executor`: becomes a Spark executor in a pod of its own.

Spark's Kubernetes scheduler says in the environment which one it is; Spark's own images have a shell script in this
place (resource-managers/kubernetes/docker/src/main/dockerfiles/spark/entrypoint.sh).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .__main__ import spark_home

JARS = "/opt/icefield/jars"
_OPTION = re.compile(r"SPARK_JAVA_OPT_(\d+)")
_ARGUMENTS = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}


def command(own: Mapping[str, str], home: Path) -> list[str]:
    """Return what starts the executor that the environment describes.

    Raises:
        KeyError: this is no executor's environment.
    """
    memory = own["SPARK_EXECUTOR_MEMORY"]
    options = sorted((int(found[1]), own[name]) for name in own if (found := _OPTION.fullmatch(name)))
    jars = own.get("ICEFIELD_JARS", JARS)
    return [
        f"{own['JAVA_HOME']}/bin/java" if own.get("JAVA_HOME") else "java",
        *(option for _, option in options),
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        f"{jars}/*:{home}/jars/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *(part for flag, name in _ARGUMENTS.items() for part in (flag, own[name])),
    ]


def main() -> None:
    """Become the executor, without the keys in the environment: tables bring what opens them."""
    argv = command(os.environ, spark_home())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ICEFIELD_CATALOG_"))}
    # Iceberg's file IO asks the AWS SDK for a region before it reads its own.
    os.execvpe(argv[0], argv, {**kept, "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1")})  # noqa: S606


if __name__ == "__main__":
    main()
