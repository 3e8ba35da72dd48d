"""What a maintenance run executes: SQL statements, one after the other, on a warehouse.

It runs in the platform's runtime image and is on its own there: of ours it can import nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import polnor

STATEMENTS = Path(__file__).with_name("statements.json")
LONGEST_SECONDS = 24 * 3600


def main() -> None:
    """Run each statement and print what it answers; the first that fails ends the run."""
    warehouse = os.environ["POLNOR_WAREHOUSE_ID"]
    for statement in json.loads(STATEMENTS.read_text(encoding="utf-8")):
        print(statement, flush=True)
        result = polnor.sql(statement, warehouse_id=warehouse, timeout=LONGEST_SECONDS)
        for row in result.to_dicts():
            print(json.dumps(row, default=str), flush=True)


if __name__ == "__main__":
    main()
