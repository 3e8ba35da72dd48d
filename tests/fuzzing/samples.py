"""What exists in the workspace that requests are sent to, made over REST: so that they meet more than 404.

What a request deletes or renames is made for it: by its new name another request might delete it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from schemathesis import Response

from .bodies import valid_bodies

PASSWORD = "a password of the samples"
PATIENCE_SECONDS = 60
KEPT = "kept"
"""Name of the job whose runs do not end."""
MAINTENANCE = {"schedule": "@daily"}
DATABASE = "/api/v1/databases/{id}"
CATALOG = "/api/v1/catalogs/{catalog}"


@dataclass(frozen=True)
class Sample:
    """The parts of a request of which is known that they are valid.

    Attributes:
        path: path parameters.
        query: query parameters.
        body: fields of the body; None where there is none.
        headers: headers.
    """

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What was made once and stays.

    Attributes:
        slug: the workspace.
        other: another workspace, for what changes one.
        user: e-mail address of somebody, for what changes one.
        job: id of a job.
        kept: id of a run that does not end.
        result: id of a run that has a result.
        run: id of a run of two tasks that has ended.
        warehouse: id of a warehouse that runs.
        statement: id of a statement that succeeded and has rows.
        snapshot: the current snapshot of the table sales.orders.
        passwords: log-in tokens of users who have the password `PASSWORD` and may change it; each is used once.
    """

    slug: str
    other: str
    user: str
    job: str
    kept: str
    result: str
    run: str
    warehouse: str
    statement: str
    snapshot: int
    passwords: list[str]

    @property
    def paths(self) -> list[tuple[str, str, str]]:
        """Beginnings of paths; the parameter that each ends with, and what it may be."""
        return [
            ("/api/v1/users/{user}", "user", self.user),
            ("/api/v1/workspaces/{workspace}", "workspace", self.other),
            ("/api/v1/workspaces/{workspace}/members/{user}", "user", self.user),
            ("/api/v1/flavors/{flavor}", "flavor", "test.1"),
            ("/api/v1/jobs/{id}", "id", self.job),
            ("/api/v1/runs/{id}", "id", self.run),
            ("/api/v2/runs/{id}", "id", self.run),
            ("/api/v1/runs/{id}/tasks/{key}", "key", "first"),
            ("/api/v1/sql/statements/{id}", "id", self.statement),
            ("/api/v1/sql/warehouses/{id}", "id", self.warehouse),
            (DATABASE, "id", "sales"),
            (f"{DATABASE}/schemas/{{schema}}", "schema", "default"),
            (f"{DATABASE}/tables/{{table}}", "table", "orders"),
            (f"{DATABASE}/schemas/{{schema}}/tables/{{table}}", "table", "orders"),
            (f"{DATABASE}/views/{{view}}", "view", "few"),
            (f"{DATABASE}/schemas/{{schema}}/views/{{view}}", "view", "few"),
            (f"{DATABASE}/volumes/{{volume}}", "volume", "raw"),
            (CATALOG, "catalog", self.slug),
            (f"{CATALOG}/namespaces/{{namespace}}", "namespace", "sales"),
            (f"{CATALOG}/namespaces/{{namespace}}/tables/{{table}}", "table", "orders"),
            ("/api/v2/spark/clusters/{name}", "name", "oleander"),
        ]


EDITORS_OF_OTHER = ("somebody@acme.eu", *(f"p{number}@acme.eu" for number in range(4)))


class Samples:
    """Valid parts of requests.

    Args:
        rest: an administrator in the workspace, at /api/v1.
        slug: the workspace. Runs end there by themselves, except those of the job "kept", and there is a table
            sales.orders with a column id.
        other: another workspace, whose editors are EDITORS_OF_OTHER and whose members its administrators may change.
        warehouse: name of a warehouse that runs.
    """

    def __init__(self, rest: httpx.Client, slug: str, other: str, warehouse: str) -> None:
        self._rest = rest
        self._numbers = itertools.count(1)
        self._workspaces: list[str] = []
        self._made = self._make(slug, other, warehouse)

    def of(self, operation_id: str, path: str) -> Sample:
        """Return the valid parts of a request, made for this one if the request removes or renames them.

        Args:
            operation_id: its operation.
            path: the operation's path, as the document has it.
        """
        made, number = self._made, next(self._numbers)
        parameters = {name: value for beginning, name, value in made.paths if f"{path}/".startswith(f"{beginning}/")}
        if make := self._making.get(operation_id):
            parameters |= make(f"v_{number}")
        if operation_id == "read_run_logs" and number % 4 == 0:
            parameters["id"] = made.kept
        if operation_id == "read_result":
            parameters["id"] = made.result
        query = {"path": "a.txt"} if operation_id in ("download_file", "delete_file") else {}
        if operation_id == "read_lineage_graph":
            query = {"table": "sales.orders"}
        headers = {}
        if operation_id == "change_password" and made.passwords:
            headers = {"Authorization": f"Bearer {made.passwords.pop()}", "X-Workspace-Slug": made.other}
        return Sample(parameters, query, valid_bodies(made, number, PASSWORD).get(operation_id), headers)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an administrator in the workspace."""
        return {"Authorization": self._rest.headers["Authorization"], "X-Workspace-Slug": self._made.slug}

    def note(self, operation_id: str, response: Response) -> None:
        """Remember what a request has made that does not go with the workspace."""
        if operation_id == "create_workspace" and response.status_code == httpx.codes.CREATED:
            self._workspaces.append(response.json()["slug"])

    def remove(self) -> None:
        """Delete all other workspaces."""
        for slug in self._workspaces:
            self._rest.delete(f"/workspaces/{slug}")

    @property
    def _making(self) -> dict[str, Callable[[str], dict[str, str]]]:
        """What makes an object for one request, given a name, and returns the path parameters that name the object."""
        return {
            "revoke_api_key": lambda name: {"key_id": self._post("/auth/keys", name=name)["id"]},
            "delete_user": lambda name: {"user": self._user(f"{name}@acme.eu")},
            "delete_workspace": lambda name: {"workspace": self._workspace(f"{self._made.other}-{name[2:]}")},
            "remove_member": lambda name: {"user": self._member(f"{name}@acme.eu")},
            "delete_job": lambda name: {"id": self._post("/jobs", name=name, command="true")["id"]},
            "update_job": lambda name: {"id": self._post("/jobs", name=name, command="true")["id"]},
            "patch_job": lambda name: {"id": self._post("/jobs", name=name, command="true")["id"]},
            "delete_run": lambda name: {"id": self._ended_run()},
            "cancel_run": lambda name: {"id": self._post(f"/jobs/{KEPT}/run")["run_id"]},
            "delete_warehouse": lambda name: {"id": self._stopped_warehouse(name)},
            "update_warehouse": lambda name: {"id": self._stopped_warehouse(name)},
            "start_warehouse": lambda name: {"id": self._stopped_warehouse(name)},
            "stop_warehouse": lambda name: {"id": self._stopped_warehouse(name)},
            "delete_table": lambda name: {"table": self._table(name)},
            "delete_table_of_schema": lambda name: {"table": self._table(name)},
            "delete_view": lambda name: {"view": self._view(self._made.slug, name)},
            "delete_view_of_schema": lambda name: {"view": self._view(self._made.slug, name)},
            "delete_volume": lambda name: {"volume": self._post("/databases/sales/volumes", name=name)["id"]},
            "delete_file": lambda name: self._file(),
            "download_file": lambda name: self._file(),
            **dict.fromkeys(
                ("load_files", "load_in_schema", "preview_files", "preview_in_schema"),
                lambda name: {"table": self._table(name)} | self._file("rows.csv", b"n\n1\n"),
            ),
            **dict.fromkeys(
                (
                    "read_maintenance",
                    "read_maintenance_in_schema",
                    "remove_maintenance",
                    "remove_maintenance_in_schema",
                ),
                lambda name: {"table": self._maintained_table(name)},
            ),
            **dict.fromkeys(
                ("read_database_maintenance", "remove_database_maintenance"),
                lambda name: {"id": self._maintained_database(name)},
            ),
            "delete_database": lambda name: {"id": self._post("/databases", name=name)["name"]},
            "delete_schema": lambda name: {"schema": self._post("/databases/sales/schemas", name=name)["name"]},
            "read_schema": lambda name: {"schema": self._post("/databases/sales/schemas", name=name)["name"]},
            "delete_environment_variable": lambda name: {"id": self._variable(name.upper())},
            "delete_spark_artifact": lambda name: {"name": self._artifact(name)},
        }

    def _make(self, slug: str, other: str, warehouse: str) -> Made:
        for person in EDITORS_OF_OTHER:
            self._user(person)
        self._post("/databases/sales/volumes", name="raw")
        self._file()
        self._artifact("program")
        self._view(slug, "few")
        self._post("/jobs", name=KEPT, command="sleep 3600")
        tasks = [{"key": "first", "command": "true"}, {"key": "second", "command": "true", "depends_on": ["first"]}]
        return Made(
            slug=slug,
            other=other,
            user=self._user("changed@acme.eu"),
            job=self._post("/jobs", name="nightly", tasks=tasks)["id"],
            kept=self._post(f"/jobs/{KEPT}/run")["run_id"],
            result=self._polars_run(),
            run=self._ended_run(tasks=tasks),
            warehouse=warehouse,
            statement=self._statement(warehouse, "SELECT id FROM sales.orders"),
            snapshot=self._get("/databases/sales/tables/orders")["current_snapshot_id"],
            passwords=[self._logged_in(person) for person in EDITORS_OF_OTHER[1:]],
        )

    @property
    def _root(self) -> httpx.URL:
        return self._rest.base_url.join("/")

    def _get(self, path: str) -> Any:
        return self._checked(self._rest.get(path))

    def _post(self, path: str, **body: Any) -> Any:
        return self._checked(self._rest.post(path, json=body))

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        return answer.json()

    def _until(self, path: str, statuses: tuple[str, ...]) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (found := self._get(path))["status"] not in statuses:
            assert time.monotonic() < give_up, found
            time.sleep(0.05)

    def _statement(self, warehouse: str, query: str) -> str:
        statement: str = self._post("/sql/execute", query=query, warehouse_id=warehouse)["statement_id"]
        self._until(f"/sql/statements/{statement}", ("succeeded",))
        return statement

    def _ended_run(self, **body: Any) -> str:
        run: str = self._post("/runs", **(body or {"command": "true"}))["id"]
        self._until(f"/runs/{run}", ("success", "failed"))
        return run

    def _polars_run(self) -> str:
        body = {"query": "SELECT * FROM o", "tables": ["o=sales.orders"]}
        return str(self._post("/warehouse/polars", **body)["run_id"])

    def _user(self, email: str) -> str:
        address: str = self._post("/users", email=email, password=PASSWORD)["email"]
        return address

    def _logged_in(self, email: str) -> str:
        token: str = self._post("/auth/login", email=email, password=PASSWORD)["access_token"]
        return token

    def _workspace(self, slug: str) -> str:
        self._workspaces.append(slug)
        return str(self._post("/workspaces", name=slug, slug=slug)["slug"])

    def _stopped_warehouse(self, name: str) -> str:
        return str(self._post("/sql/warehouses", name=name, desired_state="stopped")["id"])

    def _member(self, email: str) -> str:
        self._user(email)
        path = f"/workspaces/{self._made.other}/members/{email}"
        self._checked(self._rest.put(path, json={"role": "viewer"}))
        return email

    def _table(self, name: str) -> str:
        columns = [{"name": "n", "type": "int"}]
        return str(self._post("/databases/sales/tables", name=name, columns=columns)["name"])

    def _maintained_table(self, name: str) -> str:
        self._checked(self._rest.put(f"/databases/sales/tables/{self._table(name)}/maintenance", json=MAINTENANCE))
        return name

    def _maintained_database(self, name: str) -> str:
        self._post("/databases", name=name)
        self._checked(self._rest.put(f"/databases/{name}/maintenance", json=MAINTENANCE))
        return name

    def _view(self, slug: str, name: str) -> str:
        query = {"type": "sql", "sql": "SELECT id FROM orders", "dialect": "spark"}
        version = {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["sales"]}
        column = {"id": 1, "name": "id", "required": False, "type": "long"}
        body = {
            "name": name,
            "schema": {"type": "struct", "schema-id": 0, "fields": [column]},
            "view-version": {**version, "representations": [query]},
            "properties": {},
        }
        path = f"iceberg/v1/{slug}/namespaces/sales/views"
        self._checked(self._rest.post(self._root.join(path), json=body))
        return name

    def _file(self, name: str = "a.txt", content: bytes = b"hello") -> dict[str, str]:
        path = "/databases/sales/volumes/raw/files"
        self._checked(self._rest.post(path, data={"path": name}, files={"file": (name, content)}))
        return {}

    def _variable(self, name: str) -> str:
        return str(self._post("/environment-variables", name=name, value="1")["id"])

    def _artifact(self, name: str) -> str:
        path = self._root.join("api/v2/spark/artifacts")
        files = {"file": (f"{name}.py", b"print()")}
        self._checked(self._rest.post(path, data={"name": name}, files=files))
        return name
