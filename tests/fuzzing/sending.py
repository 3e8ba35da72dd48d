"""Makes requests from the OpenAPI document with schemathesis, sends them, and checks the responses against it.

Schemathesis and Hypothesis generate what the document allows and what it does not. Nearly all of that meets no object
and is refused early, so part of each request is replaced by what exists and is valid: see samples.py.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import chain, count, islice

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, BaseSchema, Case, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .extent import WHOLE, Extent
from .report import Report
from .samples import Sample, Samples

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TIMEOUT_SECONDS = 60.0
MAX_UNANSWERED = 3
"""After how many requests without an answer no more are sent."""
FOLLOW_SECONDS = 2.0
"""How long a log is followed, which may not end."""
IDENTITY = ("authorization", "x-workspace-slug")
"""Headers that say who acts where; with any other value than a valid one a request ends before it is looked at."""
WAIT_SECONDS = 2.0
"""How long a request may ask for the end of a statement."""
EXAMPLES = 2
"""How many requests of one operation follow on each other, valid ones and invalid ones."""
JSON, FORM = "application/json", "multipart/form-data"
KNOWN = 0.95
"""Which part of the requests is authenticated, and acts in the workspace that exists."""
REPLACED = 0.5
"""Which part of the requests gets parameters, and of the valid ones a body, of which is known that they are valid."""


def fuzz(url: str, samples: Samples, extent: Extent) -> Report:
    """Send requests, and return what came of them.

    Args:
        url: base URL of the server.
        samples: what exists there.
        extent: how many requests, and which. If it is whole, the cases of schemathesis's coverage phase come first.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    report = Report({operation.label for operation in operations})
    choose = random.Random(extent.seed)  # noqa: S311 - the same requests each time
    fuzzed = chain.from_iterable(_round(operations, extent.seed * WHOLE + n) for n in count())
    cases = chain(_coverage(schema, operations) if extent.is_whole else (), fuzzed)
    with requests.Session() as session:
        for case in islice(cases, extent.requests):
            _complete(case, samples, choose, is_first=case.operation.label not in report.statuses)
            _send(case, url, session, samples, report)
            if report.unanswered >= MAX_UNANSWERED:
                break
    return report


def _round(operations: list[APIOperation], number: int) -> Iterator[Case]:
    """Yield some requests of each operation; rounds with different numbers differ."""
    for operation in operations:
        for mode in GenerationMode:
            yield from _generated(operation, mode, number)


def _generated(operation: APIOperation, mode: GenerationMode, number: int) -> list[Case]:
    cases: list[Case] = []

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def collect(case: Case) -> None:
        cases.append(case)

    try:
        collect()
    except Unsatisfiable:  # nothing is invalid where there are no parameters
        return []
    return cases


def _coverage(schema: BaseSchema, operations: list[APIOperation]) -> Iterator[Case]:
    for operation in operations:
        yield from schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=schema.config.generation_for(operation=operation),
        )


def _complete(case: Case, samples: Samples, choose: random.Random, *, is_first: bool) -> None:
    """Replace parts of a request by what is valid.

    Args:
        case: the request.
        samples: what is valid.
        choose: by chance; the first request of an operation is valid throughout.
        is_first: whether it is that one.
    """
    operation_id = case.operation.definition.raw["operationId"]
    is_valid = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    sample = samples.of(operation_id, case.operation.path) if is_first or choose.random() < REPLACED else Sample()
    case.path_parameters = {**case.path_parameters, **sample.path}
    case.query = {} if is_first else case.query
    case.query = {**case.query, **sample.query}
    if is_first:
        case.body = sample.body if sample.body is not None else case.body
        # Where an operation takes either, the sample is of one of them.
        case.media_type = case.media_type and (FORM if isinstance(case.body, dict) and "file" in case.body else JSON)
    elif is_valid and isinstance(case.body, dict) and sample.body is not None:
        kept = {name: value for name, value in case.body.items() if choose.random() < 1 / 2}
        case.body = {**kept, **sample.body}
    _bound(case)
    if not is_first and choose.random() >= KNOWN:
        return
    others = {name: value for name, value in case.headers.items() if name.lower() not in IDENTITY}
    case.headers = {**others, **samples.headers, **sample.headers}


def _bound(case: Case) -> None:
    """Let a statement be waited for seconds instead of a minute."""
    if isinstance(case.body, dict):
        wait = case.body.get("wait_timeout")
        if isinstance(wait, (int, float)) and wait > WAIT_SECONDS:
            case.body["wait_timeout"] = WAIT_SECONDS


def _send(case: Case, url: str, session: requests.Session, samples: Samples, report: Report) -> None:
    label = case.operation.label
    timeout = FOLLOW_SECONDS if _follows(case) else TIMEOUT_SECONDS
    report.requests += 1
    began = time.monotonic()
    try:
        response = case.call(base_url=url, session=session, timeout=timeout)
    except requests.RequestException as error:
        report.unanswered += 1
        report.add_fault(label, type(error).__name__, f"{error}\n{case.as_curl_command()}")
        return
    finally:
        report.seconds[label].append(time.monotonic() - began)
    report.statuses[label][response.status_code] += 1
    samples.note(case.operation.definition.raw["operationId"], response)
    try:
        case.validate_response(response, checks=_checks_of(response))
    except FailureGroup as group:
        for failure in group.exceptions:
            body = response.text_lossy()[:1000]
            text = f"{failure}\n\n{response.status_code} {body}\n{case.as_curl_command()}"
            report.add_fault(label, f"{failure.title}: {response.status_code}", text)


def _checks_of(response: Response) -> list[CheckFunction]:
    """Return what is checked; an event stream is text to OpenAPI 3.1, of which schemathesis checks each event."""
    is_stream = any(value.startswith("text/event-stream") for value in response.headers.get("content-type", ()))
    return [check for check in CHECKS if not (is_stream and check is response_schema_conformance)]


def _follows(case: Case) -> bool:
    return case.operation.path.endswith("/logs") and "follow" in (case.query or {})
