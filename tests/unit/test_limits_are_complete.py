"""Each constant that limits something is a row of docs/limits.md or docs/jobs.md, or listed here as internal."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from icefield_cluster.paths import CHECKOUT

PACKAGES = ("crds", "kube", "sql", "operator", "apiserver", "engines")
CHECKED = ("tests/unit/test_limits.py", "tests/unit/apiserver/test_job_limits.py")
"""The tests that hold a page's rows against constants."""
LIMIT = re.compile(r"_?MAX_[A-Z_]+|[A-Z_]+_LIMIT(_[A-Z_]+)?|_LIMIT")

INTERNAL: dict[str, frozenset[str]] = {
    "icefield_apiserver.core.arrow.decoder": frozenset({"MAX_DATA_BYTES", "MAX_READ_BYTES", "MAX_STEP"}),
    "icefield_apiserver.core.arrow.decoding": frozenset({"MAX_JSON_BYTES", "MAX_PROCESSES"}),
    "icefield_apiserver.core.catalog.client": frozenset({"MAX_CACHED_BYTES", "MAX_PAGES", "MAX_PLANNED_TABLES"}),
    "icefield_apiserver.core.catalog.concurrency": frozenset({"MAX_CONCURRENCY"}),
    "icefield_apiserver.core.catalog.transport": frozenset({"MAX_CONNECTIONS"}),
    "icefield_apiserver.core.kube.cluster": frozenset({"MAX_SILENCE_SECONDS"}),
    "icefield_apiserver.core.middleware": frozenset({"MAX_SKIPPED_BYTES"}),
    "icefield_apiserver.core.objects.transfers": frozenset({"MAX_CONNECTIONS", "_MAX_ERROR_BYTES"}),
    "icefield_apiserver.core.objects.workspace_stores": frozenset({"MAX_BUCKETS"}),
    "icefield_apiserver.features.lineage.columns": frozenset({"MAX_SETS"}),
    "icefield_apiserver.features.lineage.identities": frozenset({"MAX_LOOKED_UP"}),
    "icefield_apiserver.features.lineage.store": frozenset({"MAX_ROWS"}),
    "icefield_apiserver.features.lineage.writing": frozenset({"MAX_NAME"}),
    "icefield_apiserver.features.runs.service": frozenset({"_MAX_LABEL"}),
    "icefield_apiserver.features.statements.gateway": frozenset({"MAX_CONNECTIONS"}),
    "icefield_apiserver.features.statements.retrying": frozenset({"MAX_DELAY_SECONDS"}),
    "icefield_apiserver.features.tables.service": frozenset({"MAX_CACHED_TABLES"}),
    "icefield_crds.execution": frozenset({"MAX_ATTEMPTS"}),
    "icefield_crds.maintenance.program": frozenset({"MAX_PAGES"}),
    "icefield_crds.meta": frozenset({"CONDITION_MESSAGE_LIMIT"}),
    "icefield_crds.names": frozenset({"MAX_DATABASE_LENGTH", "MAX_NAME_LENGTH", "MAX_TABLE_LENGTH"}),
    "icefield_crds.wire.exports": frozenset({"MAX_LOCATION_LENGTH", "MAX_OPTIONS_LENGTH"}),
    "icefield_crds.wire.fields": frozenset({"MAX_COUNT"}),
    "icefield_crds.wire.gateway": frozenset(
        {
            "MAX_BODY",
            "MAX_CONTENT_BYTES",
            "MAX_INLINE_BYTES",
            "MAX_KEY_LENGTH",
            "MAX_SIGNATURE_LENGTH",
            "MAX_SQL_LENGTH",
            "MAX_WAIT_SECONDS",
        }
    ),
    "icefield_crds.wire.outcome": frozenset({"MAX_ERROR_KIND_LENGTH", "MAX_TABLE_LENGTH"}),
    "icefield_crds.wire.workload": frozenset({"MAX_TIMEOUT_SECONDS"}),
    "icefield_engines.environments.build": frozenset({"MAX_MESSAGE"}),
    "icefield_engines.polars.destination": frozenset({"MAX_ATTEMPTS"}),
    "icefield_engines.polars.outcome": frozenset({"MAX_ERROR_CHARACTERS", "MAX_TERMINATION_BYTES"}),
    "icefield_engines.polars.results": frozenset({"MAX_BATCH_BYTES", "_MAX_DTYPE"}),
    "icefield_engines.polars.script_lines": frozenset({"MAX_FRAMES"}),
    "icefield_engines.polars.server": frozenset({"MAX_BODY_BYTES", "MAX_CONNECTIONS", "MAX_WAIT_SECONDS"}),
    "icefield_engines.polars.worker_process": frozenset({"MAX_MESSAGE_BYTES"}),
    "icefield_engines.warehouse.results.small": frozenset({"MAX_CONNECTIONS"}),
    "icefield_engines.warehouse.results.upload": frozenset({"MAX_CONNECTIONS", "MAX_PARTS"}),
    "icefield_kube.client": frozenset({"MAX_CONNECTIONS"}),
    "icefield_kube.errors": frozenset({"_MAX_MESSAGE_LENGTH"}),
    "icefield_operator.catalog.calls": frozenset({"_MESSAGE_LIMIT"}),
    "icefield_operator.environment.environments": frozenset({"MAX_KNOWN"}),
    "icefield_operator.job.due": frozenset({"MAX_COUNTED"}),
    "icefield_operator.log_agent.collector": frozenset({"MAX_UPLOADS"}),
    "icefield_operator.log_agent.cri": frozenset({"MAX_LINE_BYTES"}),
    "icefield_operator.log_agent.removed_pods": frozenset({"MAX_LOOKS"}),
    "icefield_operator.logs.archiver": frozenset({"MAX_FOLLOWERS", "MAX_QUESTIONS", "MAX_UPLOADS"}),
    "icefield_operator.objectstore.store": frozenset({"MAX_CONNECTIONS", "MAX_RETRIES"}),
    "icefield_operator.pod_failures": frozenset({"_LIMIT"}),
    "icefield_operator.run.events": frozenset({"MAX_AT_ONCE"}),
    "icefield_operator.run.pod_events": frozenset({"MAX_READS_AT_ONCE", "MAX_REMEMBERED"}),
    "icefield_operator.run.refusals": frozenset({"MAX_REMEMBERED", "_MAX_LENGTH"}),
    "icefield_operator.run.status": frozenset({"MAX_ERROR"}),
    "icefield_operator.sandbox.dispatcher": frozenset({"MAX_CONNECTIONS"}),
    "icefield_operator.sandbox.observe": frozenset({"MAX_ERROR"}),
    "icefield_operator.sandbox.pool_reconcile": frozenset({"MAX_CREATED_PER_PASS"}),
    "icefield_operator.spark.provisioner": frozenset({"MAX_FILE_BYTES"}),
    "icefield_operator.warehouse.gateway": frozenset({"MAX_TOKENS"}),
    "icefield_operator.workspace.catalog": frozenset({"MAX_CONFIRMED"}),
    "icefield_sql.analysis.resolve": frozenset({"MAX_EXPLAINED"}),
    "icefield_sql.lang.suggestions": frozenset({"MAX_KNOWN", "MAX_LENGTH"}),
    "icefield_sql.lang.types": frozenset({"MAX_PRECISION"}),
    "icefield_sql.messages.engine_errors": frozenset({"MAX_MESSAGE", "MAX_READ"}),
    "icefield_sql.messages.written_text": frozenset({"MAX_LENGTH"}),
    "icefield_sql.targets.duckdb.translation.argument": frozenset({"MAX_OPERAND"}),
    "icefield_sql.targets.polars.query": frozenset({"_MAX_ALIAS"}),
}
"""Module: constants that limit nothing that is asked for, but messages, caches, connections and retries."""


def constants() -> set[tuple[str, str]]:
    """Return module and name of each constant of the packages that is called like a limit."""
    found = set()
    for path in (path for package in PACKAGES for path in (CHECKOUT / package).rglob("*.py")):
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts[1:])
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found |= {(module, name) for name in names if LIMIT.fullmatch(name)}
    return found


def documented(path: Path) -> set[tuple[str, str]]:
    """Return module and name of what a test takes from the packages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    attributes = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    members = {
        (".".join(imported[node.value.id]), node.attr)
        for node in attributes
        if isinstance(node.value, ast.Name) and node.value.id in imported
    }
    return members | set(imported.values())


LISTED = {(module, name) for module, names in INTERNAL.items() for name in names}
SHOWN = set().union(*(documented(CHECKOUT / path) for path in CHECKED))


def test_each_limit_is_documented_or_internal() -> None:
    assert sorted(constants() - SHOWN - LISTED) == []


def test_what_is_listed_as_internal_is_there_and_not_documented() -> None:
    assert sorted(LISTED - constants()) == []
    assert sorted(LISTED & SHOWN) == []


@pytest.mark.parametrize("path", CHECKED)
def test_the_tests_of_the_pages_name_constants(path: str) -> None:
    assert documented(CHECKOUT / path) & constants()
