"""A misspelt field of a request is told, not ignored."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from icefield_apiserver.core.errors import validation_sentence
from icefield_apiserver.features.jobs.schemas import JobCreate
from icefield_apiserver.features.maintenance.schemas import Maintenance
from icefield_apiserver.features.polars.schemas import PolarsRequest
from icefield_apiserver.features.query.schemas import QueryRequest
from icefield_apiserver.features.spark.schemas import SparkProperties
from icefield_apiserver.features.statements.schemas import Execute
from icefield_apiserver.features.tables.schemas import TableCreate
from icefield_apiserver.features.warehouses.schemas import WarehouseCreate
from icefield_apiserver.features.workspaces.schemas import NewWorkspace


def enumerate_keys(values: list[Any]) -> list[tuple[str, Any]]:
    """Return values under keys of their own."""
    return [(f"k{number}", value) for number, value in enumerate(values)]


def sentence_of(model: type[BaseModel], body: dict[str, Any]) -> str:
    """Return what a body is refused with."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in refused.value.errors()]
    return validation_sentence(RequestValidationError(errors).errors())


@pytest.mark.parametrize(
    ("model", "body", "sentence"),
    [
        (JobCreate, {"nmae": "a"}, "The body has no field nmae; did you mean name?"),
        (JobCreate, {"name": "a", "max_retrys": 3}, "The body has no field max_retrys; did you mean max_retries?"),
        (JobCreate, {"name": 1, "maxRetries": 3}, "The body has no field maxRetries; did you mean max_retries?"),
        (JobCreate, {"name": "a", "qqq": 3}, "The body has no field qqq."),
        (JobCreate, {"name": "a", "q" * 1000: 3}, f"The body has no field {'q' * 64}."),
        (
            JobCreate,
            {"name": "a", "tasks": [{"key": "a", "comand": "x"}]},
            "Field tasks[0] has no field comand; did you mean command?",
        ),
        (
            JobCreate,
            {"name": "a", "env_vars": {"A": {"secret_keyref": {}}}},
            "Field env_vars.A has no field secret_keyref; did you mean secret_key_ref?",
        ),
        (
            JobCreate,
            {"name": "a", "env_vars": {"A": {"secret_key_ref": {"nam": "a", "key": "b"}}}},
            "Field env_vars.A.secret_key_ref has no field nam; did you mean name?",
        ),
        (Execute, {"query": "a", "warehouse": "b"}, "The body has no field warehouse; did you mean warehouse_id?"),
        (QueryRequest, {"tables": [{"alias": "a", "tabel": "b"}]}, "Field tables[0] has no field tabel; did you mean"),
        (PolarsRequest, {"clusterSise": 1}, "The body has no field clusterSise; did you mean clusterSize?"),
        (PolarsRequest, {"tables": [{"alias": "a", "tbl": "b"}]}, "Field tables[0] has no field tbl; did you mean"),
        (WarehouseCreate, {"name": "a", "spark_executors": {"mx": 1}}, "Field spark_executors has no field mx"),
    ],
)
def test_unknown_fields(model: type[BaseModel], body: dict[str, Any], sentence: str) -> None:
    assert sentence_of(model, body).startswith(sentence)


MANY: list[Any] = [{}] * 5000


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (JobCreate, {"name": "a", "env_vars": dict(enumerate_keys(MANY))}),
        (JobCreate, {"name": "a", "files": dict(enumerate_keys(MANY))}),
        (JobCreate, {"name": "a", "tasks": MANY}),
        (JobCreate, {"name": "a", "tasks": [{"key": "a", "command": "b", "depends_on": MANY}]}),
        (
            TableCreate,
            {"name": "a", "columns": [{"name": "a", "type": "int"}], "properties": dict(enumerate_keys(MANY))},
        ),
        (TableCreate, {"name": "a", "columns": MANY * 2}),
        (TableCreate, {"name": "a", "columns": [{"name": "a", "type": "int"}], "partition_columns": MANY}),
        (SparkProperties, {"entrypoint": "a", "pyFiles": MANY}),
        (SparkProperties, {"entrypoint": "a", "entrypointArguments": MANY, "sparkConf": MANY, "packages": MANY}),
        (PolarsRequest, {"tables": MANY}),
        (QueryRequest, {"tables": MANY}),
        (NewWorkspace, {"name": "a", "members": MANY}),
        (Maintenance, {"operations": MANY}),
    ],
)
def test_a_long_list_has_no_error_for_each_of_its_entries(model: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    assert refused.value.error_count() <= 3
