"""Kubernetes' refusals in the words of the REST API.

Kubernetes answers with a `Status` object (metav1.Status); its causes carry the messages of the schema's CEL rules.
"""

from __future__ import annotations

import json
import re
from typing import Any

_VALUE = re.compile(r'^(?:Invalid|Unsupported|Duplicate|Forbidden|Required)(?: value)?: (?:"(?:[^"\\]|\\.)*"|[^:"]*): ')
_CANNOT = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"')
_UNCHECKED = "some validation rules were not checked"


def translate(status: int | None, body: str | bytes | None) -> tuple[int, str]:
    """Return the HTTP status and the sentence with which REST answers what Kubernetes answered.

    Args:
        status: the HTTP status of Kubernetes' answer; None when there was none.
        body: its body, a metav1.Status as JSON when all is well.
    """
    answer = _parse(body)
    details: dict[str, Any] = answer.get("details") or {}
    message = str(answer.get("message", ""))
    if status in (400, 422):
        return 400, _invalid(details, message)
    if status == 403:
        return _forbidden(message)
    if status == 404:
        return 404, f"There is no {_thing(details)}."
    if status == 409:
        if answer.get("reason") == "AlreadyExists":
            return 409, f"There already is a {_thing(details)}."
        return 409, f"The {_thing(details)} was changed by someone else in the meantime; try again."
    return 503, "The cluster did not answer as it should; try again shortly."


def _parse(body: str | bytes | None) -> dict[str, Any]:
    try:
        parsed = json.loads(body or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _invalid(details: dict[str, Any], message: str) -> str:
    causes = [c for c in details.get("causes") or [] if _UNCHECKED not in c.get("message", "")]
    if not causes:
        return _sentence(message or "The cluster refused the request as malformed")
    field = str(causes[0].get("field", "")).removeprefix("<nil>")
    said = _VALUE.sub("", str(causes[0].get("message", "")))
    said = said.removeprefix(f"{field} in body ") if field else said
    is_object = field in ("", "spec")
    return _sentence(said if is_object else f"{field.removeprefix('spec.')}: {said}")


def _forbidden(message: str) -> tuple[int, str]:
    found = _CANNOT.search(message)
    if not found:
        return 403, "Your role does not permit this."
    if found["verb"] == "impersonate":
        return 503, "The workspace is not ready yet; try again shortly."
    return 403, f"Your role does not permit to {found['verb']} {found['resource']} in this workspace."


def _thing(details: dict[str, Any]) -> str:
    kind = str(details.get("kind") or "resource").removesuffix("s").lower()
    name = details.get("name")
    return f"{kind} called {name}" if name else kind


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].upper() + text[1:] + "."
