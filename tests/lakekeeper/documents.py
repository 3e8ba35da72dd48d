"""Lakekeeper's OpenAPI documents, and what in a request or an answer is not as they say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.protocols import Request, Response
from openapi_core.templating.responses.exceptions import ResponseNotFound

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "reference" / "lakekeeper"
"""Beside the repository: they are Lakekeeper's, not ours to carry."""

JSON = "application/json"


class Document:
    """One OpenAPI document, served below one path."""

    def __init__(self, name: str, base: str, needs_token: bool) -> None:
        """Read it.

        Args:
            name: of the file.
            base: path that comes before the paths of the document.
            needs_token: hold requests to the document's authentication; without it (AllowAll) none is asked for.
        """
        # The C loader: the pure one takes ten times as long for half a megabyte.
        self._tree: dict[str, Any] = yaml.load((FOLDER / name).read_text(), Loader=yaml.CSafeLoader)
        self._base = base
        # Where it is served is the deployment's to say; the document has only variables there.
        self._tree["servers"] = [{"url": base or "/"}]
        if not needs_token:
            self._tree.pop("security", None)
        for operation in self._operations():
            # YAML reads a bare 200 as a number; the keys of responses are text.
            if "responses" in operation:
                operation["responses"] = {str(status): known for status, known in operation["responses"].items()}
        for parameter in self._parameters():
            _without_null(parameter["schema"])
        # Whether the document itself is a good one is Lakekeeper's affair.
        self._openapi = OpenAPI.from_dict(self._tree, config=Config(spec_validator_cls=None))

    def complaint_of_request(self, request: Request, template: str, body: Any) -> str | None:
        """Return what is wrong with a request, or None.

        Args:
            request: as openapi-core takes it.
            template: the document's path that it goes to.
            body: its JSON body, or None.
        """
        try:
            self._openapi.validate_request(request)
        except OpenAPIError as error:
            return _sentence(error)
        operation = self._tree["paths"][template][request.method.lower()]
        shared = self._tree["paths"][template].get("parameters", [])
        known = {self._resolve(parameter)["name"] for parameter in [*shared, *operation.get("parameters", [])]}
        # A key that the document does not know is ignored by the server: to us it is a mistake.
        unknown = sorted(set(request.parameters.query) - known)
        if body is not None:
            schema = operation["requestBody"]["content"][JSON]["schema"]
            unknown += self._unknown([schema], body, "")
        return f"unknown: {', '.join(unknown)}" if unknown else None

    def complaint_of_response(self, request: Request, response: Response) -> str | None:
        """Return what is wrong with our own answer, or None."""
        try:
            self._openapi.validate_response(request, response)
        except ResponseNotFound as error:
            # The documents say of few calls how they fail inside; every call does so in the same way.
            return None if response.status_code >= 500 else _sentence(error)
        except OpenAPIError as error:
            return _sentence(error)
        return None

    def _operations(self) -> Iterator[dict[str, Any]]:
        """Yield the operations, and the paths, which may have parameters too."""
        for path in self._tree["paths"].values():
            yield from (path, *(value for value in path.values() if isinstance(value, dict)))

    def _parameters(self) -> Iterator[dict[str, Any]]:
        for operation in self._operations():
            yield from (self._resolve(parameter) for parameter in operation.get("parameters", []))

    def _unknown(self, schemas: list[Any], value: Any, at: str) -> Iterator[str] | list[str]:
        if isinstance(value, list):
            items = [part["items"] for part in self._parts(schemas) if isinstance(part.get("items"), dict)]
            return [found for item in value for found in self._unknown(items, item, at)]
        if not isinstance(value, dict):
            return []
        parts = list(self._parts(schemas))
        if any("additionalProperties" in part for part in parts):
            return []
        found: list[str] = []
        for key, inner in value.items():
            known = [part["properties"][key] for part in parts if key in part.get("properties", {})]
            found += self._unknown(known, inner, f"{at}/{key}") if known else [f"{at}/{key}"]
        return found

    def _parts(self, schemas: list[Any]) -> Iterator[dict[str, Any]]:
        for schema in schemas:
            resolved = self._resolve(schema)
            yield resolved
            for kind in ("allOf", "oneOf", "anyOf"):
                yield from self._parts(resolved.get(kind, []))

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while reference := schema.get("$ref"):
            schema = self._tree
            for step in reference.removeprefix("#/").split("/"):
                schema = schema[step]
        return schema


@cache
def management(needs_token: bool) -> Document:
    """Return the document of the management API; read once."""
    return Document("management-open-api.yaml", "", needs_token)


@cache
def catalog(needs_token: bool) -> Document:
    """Return the document of the Iceberg REST catalog; read once."""
    return Document("rest-catalog-open-api.yaml", "/catalog", needs_token)


def _without_null(schema: dict[str, Any]) -> None:
    """Nothing in a URL or a header can be null, and openapi-core takes no parameter of two types."""
    if isinstance(schema.get("type"), list):
        (schema["type"],) = (type_ for type_ in schema["type"] if type_ != "null")


def _sentence(error: OpenAPIError) -> str:
    cause = error.__cause__
    details = [str(detail.message) for detail in getattr(cause, "schema_errors", ())]
    return "; ".join([str(error), *details]) or type(error).__name__
