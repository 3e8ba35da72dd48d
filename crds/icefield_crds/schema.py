"""Pydantic models to Kubernetes' structural schemas.

A structural schema is OpenAPI 3 without references, titles and unions
(kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions, "Specifying a structural
schema"), so references are inlined and `X | None` becomes an optional X.
"""

from __future__ import annotations

from typing import Any

from .meta import Model

_DROPPED = frozenset({"title", "const", "discriminator", "examples"})


def structural_schema(model: type[Model]) -> dict[str, Any]:
    """Return the structural schema of a model, with camelCase properties."""
    document = model.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = document.pop("$defs", {})
    schema: dict[str, Any] = _structural(document, definitions)
    return schema


def _structural(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_structural(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = _inline(node, definitions)
    if "properties" in node:
        node = node | {"properties": {k: _structural(v, definitions) for k, v in node["properties"].items()}}
    rest = {k: v if k in ("properties", "default", "enum") else _structural(v, definitions) for k, v in node.items()}
    if isinstance(rest.get("default"), dict):
        # A field without a value is left out in Kubernetes, never null.
        rest["default"] = {k: v for k, v in rest["default"].items() if v is not None}
    if rest.get("default", ...) in ([], {}):
        del rest["default"]
    return {k: v for k, v in rest.items() if k not in _DROPPED}


def _inline(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Resolve a reference or a union with null; keywords beside it, such as a description, win."""
    while True:
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[-1]]
            node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
        elif "anyOf" in node and {"type": "null"} in node["anyOf"]:
            (target,) = (option for option in node["anyOf"] if option != {"type": "null"})
            node = {**target, **{k: v for k, v in node.items() if k != "anyOf"}}
            if node.get("default", "") is None:
                del node["default"]
        else:
            return node
