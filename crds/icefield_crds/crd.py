"""The CustomResourceDefinition of each kind."""

from __future__ import annotations

from typing import Any

from .flavor import Flavor
from .job import Job
from .meta import Resource
from .names import GROUP, VERSION
from .run import Run
from .schema import structural_schema
from .warehouse import Warehouse
from .workspace import Workspace

KINDS: tuple[type[Resource[Any, Any]], ...] = (Workspace, Flavor, Job, Run, Warehouse)

_RESERVED_WORKSPACES = ("default", "oleander", "platform", "polnor", "system")
"""`icefield-system` is ours, `platform` is the administrators', and the others mean something in SQL names."""

_NAME_RULES: dict[str, list[dict[str, str]]] = {
    "Workspace": [
        {
            "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",
            "message": "a workspace's name has lower case letters, digits and dashes, begins with a letter, "
            "and is at most 40 characters long",
        },
        {
            "rule": f"!(self.metadata.name in {list(_RESERVED_WORKSPACES)!r})",
            "message": f"these names are reserved: {', '.join(_RESERVED_WORKSPACES)}",
        },
    ],
    "Job": [{"rule": "size(self.metadata.name) <= 63", "message": "a job's name is at most 63 characters long"}],
    "Run": [{"rule": "size(self.metadata.name) <= 63", "message": "a run's name is at most 63 characters long"}],
    "Warehouse": [
        {"rule": "size(self.metadata.name) <= 50", "message": "a warehouse's name is at most 50 characters long"}
    ],
}


def crd_of(kind: type[Resource[Any, Any]]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind, as kubectl applies it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.NAMESPACED else "Cluster",
            "names": {
                "kind": kind.KIND,
                "listKind": f"{kind.KIND}List",
                "plural": kind.PLURAL,
                "singular": kind.KIND.lower(),
                "shortNames": list(kind.SHORT_NAMES),
                "categories": ["icefield"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema_of(kind)},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in kind.PRINTER_COLUMNS],
                }
            ],
        },
    }


def _schema_of(kind: type[Resource[Any, Any]]) -> dict[str, Any]:
    fields = kind.model_fields
    status = fields["status"].annotation.__args__[0]  # type: ignore[union-attr]
    schema: dict[str, Any] = {
        "type": "object",
        "description": kind.__doc__,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this object's schema."},
            "kind": {"type": "string", "description": "Kind of this object."},
            "metadata": {"type": "object"},
            "spec": structural_schema(fields["spec"].annotation),  # type: ignore[arg-type]
            "status": structural_schema(status),
        },
    }
    if rules := _NAME_RULES.get(kind.KIND):
        schema["x-kubernetes-validations"] = rules
    return schema
