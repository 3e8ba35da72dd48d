"""The base of everything that a request's JSON may contain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from .errors import UNION_BRANCHES, UNKNOWN_FIELD
from .nearest_name import hint_of, shown

MAX_ENTRIES = 200
"""As many as the longest of the lists and maps that have no limit of their own here."""


@dataclass(frozen=True)
class AtMost:
    """Refuses a longer list or map before its entries are validated: pydantic describes the errors of all of them.

    Attributes:
        entries: how many it may have; the OpenAPI document names it.
    """

    entries: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = _with_named_properties(handler(schema))
        return described | {"maxProperties" if described["type"] == "object" else "maxItems": self.entries}

    def _check(self, value: Any) -> Any:
        if isinstance(value, dict | list) and len(value) > self.entries:
            raise PydanticCustomError("too_long", "should have at most {most} entries", {"most": self.entries})
        return value


def _with_named_properties(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return a map's schema with its keys' pattern in `propertyNames`: generators of clients know no other maps."""
    if "patternProperties" not in schema:
        return schema
    rest = {keyword: value for keyword, value in schema.items() if keyword != "patternProperties"}
    [(pattern, values)] = schema["patternProperties"].items()
    names = {**schema.get("propertyNames", {}), "pattern": pattern}
    return {**rest, "propertyNames": names, "additionalProperties": values}


Bounded = AtMost(MAX_ENTRIES)


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "cannot be null; leave it out to keep its value")
    return value


NotNull = BeforeValidator(_refuse_null)
"""Of a field of a change that may be absent, which keeps its value, and has nothing that null could clear it to."""


class RequestBody(BaseModel):
    """An object in a request's JSON, which has no fields but these: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Have the name left out of paths of fields: there it is a branch of a union."""
        UNION_BRANCHES.add(cls.__name__)

    @model_validator(mode="before")
    @classmethod
    def _check_fields(cls, value: Any) -> Any:
        known = _names(cls)
        unknown = next((name for name in value if name not in known), None) if isinstance(value, dict) else None
        if unknown is None:
            return value
        sentence = {"sentence": f"has no field {shown(unknown)}{hint_of(unknown, known)}"}
        raise PydanticCustomError(UNKNOWN_FIELD, "{sentence}", sentence)


@cache
def _names(body: type[BaseModel]) -> tuple[str, ...]:
    """Return the names under which a request may have a model's fields: first those of the API reference."""
    aliases = [field.alias or name for name, field in body.model_fields.items()]
    own = list(body.model_fields) if body.model_config.get("populate_by_name") else []
    return tuple(dict.fromkeys([*aliases, *own]))
