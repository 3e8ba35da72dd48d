"""The CustomResourceDefinition of each kind."""

from __future__ import annotations

from typing import Any

from .meta import Resource
from .names import GROUP, VERSION
from .schema import structural_schema


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
    if kind.NAME_RULES:
        schema["x-kubernetes-validations"] = [dict(rule) for rule in kind.NAME_RULES]
    return schema
