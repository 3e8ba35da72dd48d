"""What grants let a person do: tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.catalog.grants import access_of
from icefield_apiserver.core.errors import Forbidden, NotFound
from icefield_apiserver.features.statements.privileges import check_privileges
from icefield_crds import Privilege, Workspace
from icefield_sql import Names, parse

SELECT, INSERT, OWN = Privilege
GROUPS = [{"name": "analysts", "members": ["Ann@acme.eu", "bob@acme.eu"]}]
GRANTS: list[dict[str, Any]] = [
    {"user": "ed@acme.eu", "database": "sales", "privileges": ["OWN"]},
    {"group": "analysts", "database": "sales", "table": "orders", "privileges": ["SELECT"]},
    {"user": "ann@acme.eu", "database": "Sales", "table": "Orders", "privileges": ["INSERT"]},
    {"user": "ann@acme.eu", "database": "sales", "table": "raw.clicks", "privileges": ["OWN"]},
    {"group": "nobody", "database": "closed", "privileges": ["OWN"]},
]


def workspace(grants: list[dict[str, Any]] = GRANTS) -> Workspace:
    """Return a workspace with grants."""
    return Workspace.model_validate({"metadata": {"name": "acme"}, "spec": {"groups": GROUPS, "grants": grants}})


@pytest.mark.parametrize(
    ("person", "table", "highest"),
    [
        ("ed@acme.eu", "sales.orders", OWN),
        ("ED@acme.eu", "sales.raw.clicks", OWN),
        ("ann@acme.eu", "sales.orders", INSERT),
        ("ann@acme.eu", "SALES.ORDERS", INSERT),
        ("ann@acme.eu", "sales.raw.clicks", OWN),
        ("ann@acme.eu", "sales.clicks", None),
        ("bob@acme.eu", "sales.orders", SELECT),
        ("bob@acme.eu", "sales.raw.orders", None),
        ("bob@acme.eu", "sales.orders2", None),
        ("bob@acme.eu", "open.orders", OWN),
        ("bob@acme.eu", "closed.orders", None),
        ("", "sales.orders", None),
        ("", "open.orders", OWN),
        (None, "closed.orders", OWN),
    ],
)
def test_the_highest_privilege_on_a_table(person: str | None, table: str, highest: Privilege | None) -> None:
    access = access_of(workspace(), person)
    *namespace, name = table.split(".")
    held = [privilege for privilege in Privilege if access.may(privilege, tuple(namespace), name)]
    assert held == list(Privilege)[: list(Privilege).index(highest) + 1 if highest else 0]


@pytest.mark.parametrize(
    ("person", "seen"),
    [("ed@acme.eu", {"sales", "open"}), ("bob@acme.eu", {"sales", "open"}), ("eve@acme.eu", {"open"}), ("", {"open"})],
)
def test_databases_are_seen_for_what_is_in_them(person: str, seen: set[str]) -> None:
    access = access_of(workspace(), person)
    assert {database for database in ("sales", "open", "closed") if access.sees((database,))} == seen


def test_without_grants_nothing_is_limited() -> None:
    assert not access_of(workspace([]), "eve@acme.eu").is_limited
    assert not access_of(workspace(), None).is_limited
    assert access_of(workspace(), "eve@acme.eu").is_limited


@pytest.mark.parametrize(
    ("person", "text", "error"),
    [
        ("ann@acme.eu", "INSERT INTO sales.orders VALUES (1)", None),
        ("ann@acme.eu", "INSERT OVERWRITE sales.orders SELECT 1", Forbidden),
        ("ann@acme.eu", "DELETE FROM sales.orders WHERE id = 1", Forbidden),
        ("ann@acme.eu", "UPDATE sales.orders SET id = 1", Forbidden),
        ("ann@acme.eu", "DROP TABLE sales.orders", Forbidden),
        ("ann@acme.eu", "ALTER TABLE sales.orders ADD COLUMN a int", Forbidden),
        ("ann@acme.eu", "TRUNCATE TABLE sales.orders", Forbidden),
        ("ann@acme.eu", "CALL acme.system.expire_snapshots(table => 'sales.orders')", Forbidden),
        ("ann@acme.eu", "CREATE TABLE sales.other (id int)", Forbidden),
        ("ann@acme.eu", "CREATE OR REPLACE VIEW sales.v AS SELECT 1 AS a", Forbidden),
        ("ann@acme.eu", "DROP TABLE sales.raw.clicks", None),
        ("ann@acme.eu", "ALTER TABLE sales.raw.clicks RENAME TO closed.clicks", NotFound),
        ("ann@acme.eu", "ALTER TABLE sales.raw.clicks RENAME TO sales.orders", Forbidden),
        ("ann@acme.eu", "CREATE SCHEMA mine", None),
        ("ann@acme.eu", "CREATE SCHEMA sales.mine", Forbidden),
        ("ann@acme.eu", "DROP SCHEMA sales", Forbidden),
        ("ann@acme.eu", "ALTER SCHEMA open SET DBPROPERTIES ('a' = 'b')", None),
        ("ann@acme.eu", "ALTER SCHEMA sales SET DBPROPERTIES ('a' = 'b')", Forbidden),
        ("ann@acme.eu", "COMMENT ON SCHEMA sales IS 'x'", Forbidden),
        ("ann@acme.eu", "COMMENT ON TABLE sales.orders IS 'x'", Forbidden),
        ("ann@acme.eu", "INSERT INTO sales.orders.branch_x VALUES (1)", None),
        ("bob@acme.eu", "INSERT INTO sales.orders.branch_x VALUES (1)", Forbidden),
        ("bob@acme.eu", "INSERT INTO sales.hidden.branch_x VALUES (1)", NotFound),
        ("ann@acme.eu", "DELETE FROM sales.orders.branch_x WHERE id = 1", Forbidden),
        ("ann@acme.eu", "COPY INTO sales.orders FROM 'volumes/open/v/a.csv' FILEFORMAT = CSV", None),
        ("ann@acme.eu", "COPY INTO sales.orders FROM 'volumes/sales/v/a.csv' FILEFORMAT = CSV", Forbidden),
        ("bob@acme.eu", "COPY INTO sales.orders FROM 'volumes/open/v/a.csv' FILEFORMAT = CSV", Forbidden),
        (
            "ann@acme.eu",
            "COPY INTO sales.orders FROM 'volumes/open/v/a.csv' FILEFORMAT = CSV COPY_OPTIONS ('mergeSchema' = 'true')",
            Forbidden,
        ),
        ("bob@acme.eu", "SELECT * FROM read_csv('volumes/closed/v/a.csv')", NotFound),
        ("bob@acme.eu", "EXPLAIN SELECT * FROM read_csv('volumes/closed/v/a.csv')", NotFound),
        ("bob@acme.eu", "SELECT * FROM read_csv('volumes/CLOSED/v/a.csv')", NotFound),
        ("bob@acme.eu", "SELECT * FROM read_csv('volumes/sales/v/a.csv')", Forbidden),
        ("bob@acme.eu", "SELECT * FROM read_csv('s3://lake/workspaces/acme/volumes/closed/v/a.csv')", Forbidden),
        ("bob@acme.eu", "SELECT * FROM read_csv('s3://lake/workspaces/acme/files/a.csv')", None),
        ("ed@acme.eu", "SELECT * FROM read_csv('volumes/sales/v/a.csv')", None),
        ("bob@acme.eu", "COPY (SELECT 1 AS a) TO 'volumes/sales/v/a.csv' (FORMAT csv)", Forbidden),
        ("ed@acme.eu", "COPY (SELECT 1 AS a) TO 'volumes/sales/v/a.csv' (FORMAT csv)", None),
        ("bob@acme.eu", "INSERT INTO sales.orders VALUES (1)", Forbidden),
        ("bob@acme.eu", "INSERT INTO sales.hidden VALUES (1)", NotFound),
        ("bob@acme.eu", "DROP TABLE closed.hidden", NotFound),
        ("bob@acme.eu", "CREATE TABLE closed.hidden (id int)", NotFound),
        ("bob@acme.eu", "DROP SCHEMA closed", NotFound),
        ("bob@acme.eu", "CREATE TABLE open.mine (id int)", None),
        ("bob@acme.eu", "SELECT * FROM closed.hidden", None),  # the catalog does not show it
        ("ed@acme.eu", "CREATE TABLE sales.other (id int)", None),
        ("ed@acme.eu", "DROP SCHEMA sales", None),
        ("ed@acme.eu", "MERGE INTO sales.a USING sales.b ON a.id = b.id WHEN MATCHED THEN DELETE", None),
        (None, "DROP SCHEMA closed", None),
    ],
)
def test_what_a_statement_may_write(person: str | None, text: str, error: type[Exception] | None) -> None:
    statement = parse(text, Names("acme", frozenset()))
    access = access_of(workspace(), person)
    if error is None:
        check_privileges(access, statement)
    else:
        with pytest.raises(error):
            check_privileges(access, statement)
