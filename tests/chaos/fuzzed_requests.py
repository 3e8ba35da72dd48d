"""10,000 requests made from the OpenAPI document: each boundary of each field, and then what Hypothesis makes of it.

tests/api/sql/test_fuzzing.py sends some hundred; this is the same test in full, over the services that it starts by
itself (see docs/testing.md):

    .venv/bin/python -m tests.chaos.fuzzed_requests --requests 10000 --seed 1
"""

from __future__ import annotations

import argparse
import os

import pytest
from tests.controlplane import REPOSITORY
from tests.fuzzing.extent import WHOLE, Extent

TEST = REPOSITORY / "tests" / "api" / "sql" / "test_fuzzing.py"


def main() -> int:
    """Run the test, print its table and all faults, and return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=WHOLE)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ |= Extent(given.requests, given.seed).environment
    return pytest.main(["-q", "-s", str(TEST)])


if __name__ == "__main__":
    raise SystemExit(main())
