"""docs/limits.md names each limit with the value that the code has."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from icefield_apiserver.core import bodies, forms, pagination, schemas
from icefield_apiserver.core.catalog import manifests, names, transport, types
from icefield_apiserver.core.settings import Settings
from icefield_apiserver.features.catalogs import routes as catalog_routes
from icefield_apiserver.features.catalogs import service as catalogs
from icefield_apiserver.features.environment import service as environment
from icefield_apiserver.features.grants import changes as grants
from icefield_apiserver.features.iceberg import metadata_files
from icefield_apiserver.features.iceberg import routes as iceberg
from icefield_apiserver.features.lineage import graph, neighbours, units
from icefield_apiserver.features.logs import routes as logs
from icefield_apiserver.features.polars import service as polars
from icefield_apiserver.features.polars import workload
from icefield_apiserver.features.query import routes as query
from icefield_apiserver.features.query import schemas as query_schemas
from icefield_apiserver.features.spark import application, artifacts, machines
from icefield_apiserver.features.statements import files, lifecycle, requests
from icefield_apiserver.features.statements import routes as statements
from icefield_apiserver.features.statements import schemas as statement_schemas
from icefield_apiserver.features.tables import routes as tables
from icefield_apiserver.features.tables import schemas as table_schemas
from icefield_apiserver.features.volumes import paths
from icefield_apiserver.features.volumes import service as volumes
from icefield_apiserver.features.workspaces import service as workspaces
from icefield_apiserver.identity import failures, passwords
from icefield_cluster.paths import CHECKOUT
from icefield_crds import object_store, requirements, warehouse, workspace
from icefield_crds.grants import Group
from icefield_crds.maintenance import model as maintenance
from icefield_crds.maintenance import program
from icefield_crds.polars import DEFAULT_TIMEOUT_SECONDS, PolarsWorkload
from icefield_crds.spark import SparkQuery
from icefield_crds.wire import gateway
from icefield_crds.workspace import Quotas, WorkspaceSpec
from icefield_engines.polars import results
from icefield_operator.sandbox import build
from icefield_sql.analysis import column_lineage, expansion, resolve, views, widths
from icefield_sql.analysis.files import calls, copy_into, options
from icefield_sql.lang import file_paths, lexing, timed
from icefield_sql.show import patterns
from icefield_sql.targets.duckdb import literal_rows
from icefield_sql.targets.duckdb.translation import queries

PAGE = CHECKOUT / "docs" / "limits.md"
_ROW = re.compile(r"^\| (?P<limit>.+) \| (?P<value>[^|]+) \|$", re.MULTILINE)
_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))
_TIMES = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def size(count: int) -> str:
    """Return a number of bytes as the page has it, such as `32 KiB`."""
    unit, name = next((unit, name) for unit, name in _SIZES if count % unit == 0)
    return f"{count // unit} {name}"


def time(seconds: float) -> str:
    """Return a duration as the page has it, such as `29 min 50 s`."""
    parts, left = [], int(seconds)
    # A day is written as hours, as the settings are.
    for unit, name in _TIMES if left > _TIMES[0][0] else _TIMES[1:]:
        count, left = divmod(left, unit)
        parts += [f"{count} {name}"] if count else []
    return " ".join(parts)


def count(number: int) -> str:
    """Return a number as the page has it, such as `10,000`."""
    return f"{number:,}"


def default(model: type[BaseModel], field: str) -> Any:
    """Return the default value of a field of settings or of a resource."""
    return model.model_fields[field].default


def maximum(model: type[BaseModel], field: str) -> int:
    """Return the greatest value of a field."""
    return next(each.le for each in model.model_fields[field].metadata if hasattr(each, "le"))


def longest(model: type[BaseModel], field: str) -> int:
    """Return the most characters or entries of a field."""
    return next(each.max_length for each in model.model_fields[field].metadata if hasattr(each, "max_length"))


def setting(group: str, field: str) -> Any:
    """Return the default of one of the API server's settings that belong to a group."""
    return default(Settings.model_fields[group].annotation, field)  # type: ignore[arg-type]


LIMITS = {
    "Requests": {
        "body of a request, unless said otherwise": size(bodies.JSON_BYTES),
        "body that creates or changes a job or a run": size(bodies.OBJECT_BYTES),
        "body that creates a table": size(tables.MAX_BODY_BYTES),
        "body of `POST /query`": size(query.MAX_BODY_BYTES),
        "body of `POST /sql/execute`": size(statements.MAX_BODY_BYTES),
        "body of a request to `/iceberg`": size(iceberg.MAX_BODY_BYTES),
        "body of a log-in": size(bodies.CREDENTIALS_BYTES),
        "form, beside its file": size(forms.FORM_BYTES),
        "fields of a form": count(forms.MAX_FIELDS),
        "field of a form": size(forms.MAX_FIELD_BYTES),
        "entries of a list or a map that has no limit of its own": count(schemas.MAX_ENTRIES),
        "page of a list, `limit` by default": count(pagination.DEFAULT_LIMIT),
        "page of a list, `limit` at most": count(pagination.MAX_LIMIT),
    },
    "People": {
        "password, characters at least": count(passwords.MIN_LENGTH),
        "password, characters at most": count(passwords.MAX_LENGTH),
        "failed log-ins of a person from one address before further ones are 429": count(
            failures.PER_PERSON_AND_ADDRESS
        ),
        "failed log-ins from one address before further ones are 429": count(failures.PER_ADDRESS),
        "time for which failed log-ins count": time(failures.WINDOW_SECONDS),
        "log-in token lives": time(default(Settings, "session_lifetime_seconds")),
        "log-in can be refreshed for": time(default(Settings, "session_renewable_seconds")),
    },
    "Workspaces": {
        "name of a workspace, characters": count(workspaces.MAX_SLUG_LENGTH),
        "runs at once (`quotas.maxRunningRuns`), by default": count(default(Quotas, "max_running_runs")),
        "runs at once, at most": count(maximum(Quotas, "max_running_runs")),
        "Polars workloads that wait (`quotas.maxQueuedWorkloads`), by default": count(
            default(Quotas, "max_queued_workloads")
        ),
        "Polars workloads that wait, at most": count(maximum(Quotas, "max_queued_workloads")),
        "grants of a workspace": count(grants.MAX_GRANTS),
        "groups of a workspace": count(longest(WorkspaceSpec, "groups")),
        "members of a group": count(longest(Group, "members")),
        "variables of a workspace": count(environment.MAX_VARIABLES),
        "name of a variable of a workspace, characters": count(environment.MAX_NAME_LENGTH),
        "value of a variable of a workspace": size(environment.MAX_VALUE_BYTES),
        "variables of a workspace together": size(environment.MAX_BYTES),
        "ended runs in Kubernetes, over all workspaces": count(setting("retention", "max_ended_runs")),
        "days of a retention": count(workspace.MAX_RETENTION_DAYS),
    },
    "Tables and files": {
        "name of a database, schema, table or volume, characters": count(names.MAX_LENGTH),
        "columns of a table that REST creates": count(table_schemas.MAX_COLUMNS),
        "levels of a nested type": count(types.MAX_DEPTH),
        "digits of a decimal": count(types.MAX_PRECISION),
        "metadata file that is registered as a table": size(metadata_files.MAX_METADATA_BYTES),
        "file in a volume": size(default(Settings, "max_upload_bytes")),
        "path of a file in a volume, bytes": count(paths.MAX_BYTES),
        "files of one `read_…` or COPY INTO": count(files.MAX_FILES),
        "paths in `array('…', …)` of one `read_…`": count(calls.MAX_PATHS),
        "rows that COPY INTO leaves out with `badRecordsPath` alone": count(copy_into.MAX_BAD_ROWS),
        "manifest that `…/size` reads": size(catalogs.MAX_MANIFEST_BYTES),
        "manifests that `…/size` reads together": size(catalogs.MAX_MANIFESTS_BYTES),
        "type of a column, characters": count(types.MAX_TEXT),
        "partitions that a request for `…/size` names": count(catalog_routes.MAX_FILTERS),
        "files of a list without `limit`": count(volumes.MAX_ROWS),
        "files that are looked through for a pattern": count(volumes.MAX_LISTED),
        "path of a file in a statement, characters": count(file_paths.MAX_LENGTH),
        "addresses of the files of one `read_…`, together": size(files.MAX_ADDRESSES_LENGTH),
        "number in an option of `read_…`, such as `maximum_object_size`": count(options.MAX_OPTION_BYTES),
        "manifest, decoded": size(manifests.MAX_DECODED_BYTES),
        "answer of the catalog, such as the metadata of a table": size(transport.MAX_RESPONSE_BYTES),
    },
    "Maintenance": {
        "target size of a file, at least": size(maintenance.MIN_FILE_BYTES),
        "target size of a file, at most": size(maintenance.MAX_FILE_BYTES),
        "`min_input_files`, at most": count(maintenance.MAX_INPUT_FILES),
        "`min_snapshots_to_keep`, at most": count(maintenance.MAX_SNAPSHOTS),
        "age of snapshots and files in hours, at most": count(maintenance.MAX_HOURS),
        "age of orphan files in hours, at least": count(maintenance.MIN_ORPHAN_HOURS),
        "attempts of an operation that conflicts with writes": count(program.ATTEMPTS),
    },
    "SQL": {
        "text of a statement, characters": count(statement_schemas.MAX_QUERY_LENGTH),
        "query of `POST /query`, characters": count(query_schemas.MAX_QUERY_LENGTH),
        "columns of a query": count(timed.MAX_COLUMNS),
        "columns of all queries of a statement together": count(widths.MAX_COLUMNS_TOGETHER),
        "tables and views that a statement names": count(resolve.MAX_NAMES),
        "views in views": count(resolve.MAX_VIEW_DEPTH),
        "text of a view": size(views.MAX_LENGTH),
        "`wait_timeout` by default": time(requests.DEFAULT_WAIT_SECONDS),
        "`wait_timeout` at most": time(requests.MAX_WAIT_SECONDS),
        "statement runs, at most": time(setting("statements", "timeout_seconds")),
        "result is kept for": time(setting("statements", "result_seconds")),
        "result that is kept in Postgres": size(lifecycle.RECORDED_BYTES),
        "rows that an answer carries": count(gateway.MAX_INLINE_ROWS),
        "rows that an answer carries, as bytes": size(lifecycle.INLINE_BYTES),
        "rows of a page of results": count(statements.MAX_PAGE_ROWS),
        "statements of a warehouse at once, for each API server": count(setting("statements", "max_per_warehouse")),
        "executors of a warehouse": count(warehouse.MAX_EXECUTORS),
        "tokens of a statement": count(lexing.MAX_TOKENS),
        "levels of parentheses": count(lexing.MAX_DEPTH),
        "tables that one FROM joins, for DuckDB": count(queries.MAX_JOINS),
        "views that are put in place of their names": count(expansion.MAX_EXPANSIONS),
        "text of a statement with its views in place, characters": count(expansion.MAX_EXPANDED_LENGTH),
        "rows of literals that are written without Spark, characters": count(literal_rows.MAX_LENGTH),
        "pattern of SHOW, characters": count(patterns.MAX_LENGTH),
        "times that a read is tried whose engine is lost": count(lifecycle.MAX_ATTEMPTS),
    },
    "Libraries": {
        "requirements of a job with those of a task": count(requirements.MAX_REQUIREMENTS),
        "requirement, characters": count(requirements.MAX_REQUIREMENT_LENGTH),
        "lock, characters": count(requirements.MAX_LOCK_LENGTH),
    },
    "Lineage": {
        "`depth` of a graph": count(graph.MAX_DEPTH),
        "edges of a graph": count(graph.MAX_EDGES),
        "runs, and statements, of a neighbour": count(neighbours.MAX_SHOWN),
        "text of a statement whose columns are followed": size(column_lineage.MAX_TEXT),
        "edges that one statement or commit is recorded with": count(units.MAX_FLOWS),
        "columns that a statement uses whose columns are followed": count(column_lineage.MAX_USES),
    },
    "Polars workloads": {
        "script, characters": count(longest(PolarsWorkload, "script")),
        "query, characters": count(longest(PolarsWorkload, "query")),
        "tables of a query": count(longest(PolarsWorkload, "tables")),
        "time by default": time(DEFAULT_TIMEOUT_SECONDS),
        "result without a destination": size(results.MAX_BYTES),
        "output": size(build.MAX_OUTPUT_BYTES),
        "processes": count(build.MAX_PROCESSES),
        "files in `/tmp`": size(build.DISK_LIMIT_BYTES),
        "request waits for a workload, at most": time(polars.LONGEST_WAIT_SECONDS),
        "levels of `params`": count(workload.MAX_DEPTH),
        "workload as a whole": size(workload.MAX_BYTES),
        "script of `POST /query`, characters": count(query_schemas.MAX_SCRIPT_LENGTH),
        "tables of a script of `POST /query`": count(query_schemas.MAX_TABLES),
    },
    "Spark applications": {
        "query, characters": count(longest(SparkQuery, "query")),
        "executors": count(machines.MAX_EXECUTORS),
        "artifact": size(default(Settings, "max_artifact_bytes")),
        "artifacts of a workspace": count(artifacts.MAX_ARTIFACTS),
        "application as a whole": size(application.MAX_BYTES),
        "`pyFiles` of an artifact, characters": count(artifacts.MAX_PY_FILES_LENGTH),
    },
    "Logs": {
        "line of a log": size(object_store.MAX_LOG_MESSAGE_BYTES),
        "`tail`": count(logs.MAX_TAIL),
    },
}


def test_the_page_has_each_limit_with_its_value() -> None:
    _, *sections = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    written = {
        heading: {row["limit"]: row["value"] for row in _ROW.finditer(text) if row["limit"] != "limit"}
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert written == LIMITS
