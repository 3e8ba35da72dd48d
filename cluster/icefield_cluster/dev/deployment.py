"""Environment and files of a Deployment's container, for a program of this machine."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.state import write_private

Values = Mapping[str, str]


class Container:
    """The only container of a Deployment of the platform.

    Args:
        kubectl: reaches the cluster.
        deployment: the Deployment's name.
    """

    def __init__(self, kubectl: Kubectl, deployment: str) -> None:
        place = f"--namespace={NAMESPACE}"
        pod = kubectl.get("deployment", deployment, place)["spec"]["template"]["spec"]
        self._container = pod["containers"][0]
        self._volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        self._secrets = {
            name: {key: base64.b64decode(text).decode() for key, text in data.items()}
            for name, data in _data(kubectl.get("secrets", place)).items()
        }
        self._config_maps = _data(kubectl.get("configmaps", place))

    def environment(self, folder: Path) -> dict[str, str]:
        """Return its variables; mounted Secrets are written to a folder, and variables with their paths adapted.

        Args:
            folder: a private folder of this machine.
        """
        paths = self._write_files(folder)
        variables = self._from_config_maps() | self._from_env() | self._from_projected_secrets()
        return {name: paths.get(value, value) for name, value in variables.items()}

    def _from_config_maps(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for source in self._container.get("envFrom", []):
            variables |= self._config_maps.get(source.get("configMapRef", {}).get("name"), {})
        return variables

    def _from_env(self) -> dict[str, str]:
        values = ((variable["name"], self._value(variable)) for variable in self._container.get("env", []))
        return {name: value for name, value in values if value is not None}

    def _from_projected_secrets(self) -> dict[str, str]:
        """Return what the container reads from files that are called like variables (icefield_kube.settings)."""
        sources = (
            source for volume in self._volumes.values() for source in volume.get("projected", {}).get("sources", [])
        )
        return {
            item["path"]: values[item["key"]]
            for secret in (source["secret"] for source in sources if "secret" in source)
            if (values := self._secrets.get(secret["name"], {}))
            for item in secret.get("items", [])
            if item["key"] in values
        }

    def _value(self, variable: Mapping[str, Any]) -> str | None:
        source = variable.get("valueFrom", {})
        if key := source.get("secretKeyRef"):
            return self._secrets.get(key["name"], {}).get(key["key"])
        if key := source.get("configMapKeyRef"):
            return self._config_maps.get(key["name"], {}).get(key["key"])
        if "fieldRef" in source:
            return NAMESPACE if source["fieldRef"]["fieldPath"] == "metadata.namespace" else None
        return str(variable.get("value", ""))

    def _write_files(self, folder: Path) -> dict[str, str]:
        """Return the path of each file on this machine, by its path in the container."""
        paths = {}
        for mount in self._container.get("volumeMounts", []):
            secret = self._volumes.get(mount["name"], {}).get("secret", {}).get("secretName")
            for key, text in self._secrets.get(secret, {}).items():
                path = folder / f"{secret}-{key}"
                write_private(path, text)
                paths[f"{mount['mountPath']}/{key}"] = str(path)
        return paths


def _data(objects: Mapping[str, Any]) -> dict[str, Values]:
    return {item["metadata"]["name"]: item.get("data", {}) for item in objects.get("items", [])}
