"""A valid body for each operation that takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .samples import Made

QUERY = "SELECT id FROM sales.orders"


def valid_bodies(made: Made, number: int, password: str) -> dict[str, dict[str, Any]]:
    """Return valid bodies by operation id.

    Args:
        made: what exists.
        number: makes the names in them new.
        password: the password of users.
    """
    return {**_of_platform(made, number, password), **_of_work(made, number), **_of_data(made, number)}


def _of_platform(made: Made, number: int, password: str) -> dict[str, dict[str, Any]]:
    return {
        "login": {"email": "somebody@acme.eu", "password": password},
        "change_password": {"current_password": password, "new_password": f"{password} {number}"},
        "create_api_key": {"name": f"key-{number}"},
        "create_user": {"email": f"user-{number}@acme.eu", "password": password},
        "update_user": {"name": f"User {number}"},
        "create_workspace": {"name": f"Workspace {number}", "slug": f"{made.other}-{number}"},
        "update_workspace": {"name": f"Workspace {number}"},
        "set_member": {"role": "viewer"},
        "set_grants": {"grants": [], "groups": [{"name": f"group-{number}"}]},
        "set_environment_variable": {"name": f"VARIABLE_{number % 5}", "value": "1"},
    }


def _of_work(made: Made, number: int) -> dict[str, dict[str, Any]]:
    return {
        "create_job": {"name": f"job-{number}", "command": "true"},
        "update_job": {"name": f"nightly-{number}"},
        "patch_job": {"name": f"nightly-{number}"},
        "submit_run": {"command": "true"},
        "run_job": {"params": {"n": number}},
        "run_polars": {"query": "SELECT * FROM o", "tables": ["o=sales.orders"]},
        "submit_spark_query": {
            "namespace": "fuzzing",
            "name": f"query-{number}",
            "query": QUERY,
            "output_table": f"sales.copy_{number}",
        },
        "submit_spark_job": {
            "namespace": "fuzzing",
            "name": f"job-{number}",
            "properties": {"entrypoint": "program"},
        },
        "upload_spark_artifact": {"name": f"program-{number % 5}", "file": b"print()"},
    }


def _of_data(made: Made, number: int) -> dict[str, dict[str, Any]]:
    table = {"name": f"t_{number}", "columns": [{"name": "n", "type": "int"}]}
    maintenance = {"operations": ["expire_snapshots"], "warehouse_id": made.warehouse}
    daily = {"schedule": "@daily", "compaction": {}}
    rollback = {"snapshot_id": made.snapshot}
    files = {"path": "volumes/sales/raw/rows.csv", "format": "csv", "warehouse_id": made.warehouse}
    return {
        "execute_statement": {"query": QUERY, "warehouse_id": made.warehouse},
        "run_query": {"query": QUERY},
        "run_lake_query": {"query": QUERY},
        "create_warehouse": {"name": f"warehouse-{number}"},
        "update_warehouse": {"auto_stop": "30m"},
        "create_database": {"name": f"db_{number}"},
        "create_schema": {"name": f"s_{number}"},
        "create_table": table,
        "create_table_in_schema": table,
        "rollback": rollback,
        "rollback_in_schema": rollback,
        "maintain": maintenance,
        "maintain_in_schema": maintenance,
        "declare_maintenance": daily,
        "declare_maintenance_in_schema": daily,
        "declare_database_maintenance": daily,
        "create_volume": {"name": f"volume_{number}"},
        "load_files": files,
        "load_in_schema": files,
        "preview_files": files,
        "preview_in_schema": files,
        "upload_file": {"path": f"{number % 5}.txt", "file": b"hello"},
    }
