"""DuckDB's types where Arrow's are ambiguous."""

from __future__ import annotations

import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.results.types import list_of, map_of, plain

_UNSUPPORTED = frozenset({"bit", "bignum", "time with time zone", "union", "variant", "geometry", "lambda", "type"})
"""Arrow has no lossless form of them."""


def target_of(arrow: pa.DataType, kind: DuckDBPyType) -> pa.DataType:
    """Return the plain type for a column that DuckDB hands over as an Arrow type.

    HUGEINT, which sums of integers have, comes as decimal(38,0) and becomes bigint, the type of such sums in Spark.

    Raises:
        EngineError: UNSUPPORTED_TYPE.
    """
    name = str(kind.id)
    if name in _UNSUPPORTED:
        raise EngineError(Code.UNSUPPORTED_TYPE, f"A column of the result has the type {kind}; cast it to a string.")
    if name in ("hugeint", "uhugeint"):
        return pa.int64()
    if name in ("list", "array"):
        return list_of(target_of(arrow.value_type, _child(kind, 0)))
    if name == "map":
        return map_of(target_of(arrow.key_type, _child(kind, 0)), target_of(arrow.item_type, _child(kind, 1)))
    if name == "struct":
        fields = [pa.field(field.name, target_of(field.type, _child(kind, at))) for at, field in enumerate(arrow)]
        return pa.struct(fields)
    return plain(arrow)


def _child(kind: DuckDBPyType, index: int) -> DuckDBPyType:
    """Return a type inside a nested one."""
    child = kind.children[index][1]
    assert isinstance(child, DuckDBPyType)  # noqa: S101 - numbers are the children of decimals and arrays alone
    return child
