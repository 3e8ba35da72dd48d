"""The published SQLAlchemy dialect, unmodified: an engine by URL, DDL, queries, reflection, pandas.

`pandas.read_sql` with a query and this engine can work against no server: it asks the dialect whether there is such a
table, and the dialect, which swallows every error, says yes. `read_sql_query` does not ask.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

import pandas as pd
import pytest
import sqlalchemy as sa
from polnor._client import Client
from tests.statements import Sql

pytestmark = pytest.mark.conformance

DAY = datetime.date(2024, 5, 6)


@pytest.fixture
def engine(sql_sdk: Client, platform: Any, sql: Sql) -> Iterator[sa.Engine]:
    """An engine made from nothing but a URL; its reflection reads the SDK's environment, as it is published."""
    query = urlencode({"token": platform.api_key, "warehouse_id": sql.warehouse})
    engine = sa.create_engine(f"polnor://{urlsplit(platform.api_url).netloc}/?{query}")
    yield engine
    engine.dispose()


@pytest.fixture
def shop(engine: sa.Engine, database: str) -> sa.MetaData:
    """Two tables made by SQLAlchemy's DDL, with rows inserted by its expressions."""
    metadata = sa.MetaData()
    customers = sa.Table(
        "customers",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String),
        schema=database,
    )
    orders = sa.Table(
        "orders",
        metadata,
        sa.Column("id", sa.BigInteger),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("amount", sa.Numeric(10, 2)),
        sa.Column("day", sa.Date),
        sa.Column("paid", sa.Boolean),
        schema=database,
    )
    with engine.begin() as connection:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(customers.insert().values([{"id": 1, "name": "Ada"}, {"id": 2, "name": "O'Neil"}]))
        connection.execute(
            orders.insert().values(
                [
                    {"id": 10, "customer_id": 1, "amount": 9.5, "day": DAY, "paid": True},
                    {"id": 11, "customer_id": 1, "amount": 0.5, "day": DAY, "paid": False},
                    {"id": 12, "customer_id": 2, "amount": 3, "day": None, "paid": True},
                ]
            )
        )
    return metadata


def test_reflection(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    inspector = sa.inspect(engine)
    assert database in inspector.get_schema_names()
    assert sorted(inspector.get_table_names(schema=database)) == ["customers", "orders"]
    columns = {column["name"]: column for column in inspector.get_columns("orders", schema=database)}
    assert {name: type(column["type"]) for name, column in columns.items()} == {
        "id": sa.BigInteger,
        "customer_id": sa.BigInteger,
        "amount": sa.Numeric,
        "day": sa.Date,
        "paid": sa.Boolean,
    }
    assert repr(columns["amount"]["type"]) == "Numeric(precision=10, scale=2)"
    [identity] = [c for c in inspector.get_columns("customers", schema=database) if c["name"] == "id"]
    assert identity["nullable"] is False

    reflected = sa.Table("orders", sa.MetaData(), autoload_with=engine, schema=database)
    assert list(reflected.columns.keys()) == ["id", "customer_id", "amount", "day", "paid"]


def test_selects_of_reflected_tables_with_joins(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    metadata = sa.MetaData()
    orders, customers = (
        sa.Table(name, metadata, autoload_with=engine, schema=database) for name in ("orders", "customers")
    )
    total = sa.func.sum(orders.c.amount).label("total")
    per_customer = (
        sa.select(customers.c.name, total, sa.func.count().label("orders"))
        .join(orders, orders.c.customer_id == customers.c.id)
        .where(orders.c.id.in_([10, 11, 12]))
        .group_by(customers.c.name)
        .order_by(sa.desc("total"))
        .limit(5)
    )
    alias = orders.alias("o")
    unpaid = sa.select(alias.c.id).where(sa.not_(alias.c.paid), alias.c.day == DAY)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(per_customer)]
        assert [(name, Decimal(total), count) for name, total, count in rows] == [
            ("Ada", Decimal("10.00"), 2),
            ("O'Neil", Decimal("3.00"), 1),
        ]
        assert connection.execute(unpaid).scalars().all() == [11]
        assert connection.execute(sa.text(f"SELECT count(*) FROM {database}.orders")).scalar() == 3


def test_numbers_and_times_as_the_dialect_gives_them(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    """docs/sql.md says so: the dialect declares that its driver makes decimals and datetimes, and converts nothing."""
    orders = shop.tables[f"{database}.orders"]
    seen = sa.literal_column("TIMESTAMP_NTZ '2024-05-06 07:08:09'", sa.DateTime)
    query = sa.select(orders.c.amount, sa.func.sum(orders.c.amount).over(), seen).where(orders.c.id == 10)
    with engine.connect() as connection:
        assert connection.execute(query).one() == (9.5, "9.50", "2024-05-06T07:08:09")


def test_has_table_is_always_true(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    """docs/sql.md says so, with what to ask instead."""
    inspector = sa.inspect(engine)
    assert inspector.has_table("absent", schema=database)
    assert "absent" not in inspector.get_table_names(schema=database)


def test_update_and_delete(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    orders = shop.tables[f"{database}.orders"]
    with engine.begin() as connection:
        connection.execute(orders.update().where(orders.c.id == 11).values(paid=True, day=DAY))
        connection.execute(orders.delete().where(orders.c.id == 12))
        left = connection.execute(sa.select(orders.c.id, orders.c.paid).order_by(orders.c.id))
        assert [tuple(row) for row in left] == [(10, True), (11, True)]
    shop.drop_all(engine, checkfirst=False)
    assert sa.inspect(engine).get_table_names(schema=database) == []


def test_pandas(engine: sa.Engine, shop: sa.MetaData, database: str) -> None:
    frame = pd.read_sql_query(f"SELECT id, paid FROM {database}.orders WHERE id > ? ORDER BY id", engine, params=(10,))
    assert frame.to_dict("list") == {"id": [11, 12], "paid": [False, True]}
    assert len(pd.read_sql_table("customers", engine, schema=database)) == 2

    more = pd.DataFrame({"id": [3, 4], "name": ["Grace", "Édith"]})
    more.to_sql("customers", engine, schema=database, if_exists="append", index=False, method="multi")
    names = pd.read_sql_query(f"SELECT name FROM {database}.customers ORDER BY id", engine)["name"]
    assert names.tolist() == ["Ada", "O'Neil", "Grace", "Édith"]
