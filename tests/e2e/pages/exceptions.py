"""Which code blocks of the documentation no test runs, and why."""

from __future__ import annotations

from .blocks import Block

NOT_RUN = {
    "README.md": {
        "make demo": "creates a cluster, and runs all tests; `icefield up` and the demo made what these run on",
    },
    "docs/polars.md": {
        "kubectl -n icefield-acme create secret generic icefield-polars-cloud": "wants an account of Polars Cloud",
    },
    "docs/libraries.md": {
        "uv export": "resolves a project of the reader's with a package index; locks: tests/e2e/test_libraries.py",
        "FROM registry.example.com": "builds an image with Docker from a registry of the reader's",
    },
}
"""Page: how a block begins, and why it cannot run here."""

NOT_YET = frozenset(
    {
        "docs/benchmarks.md",
        "docs/catalog.md",
        "docs/operations.md",
        "docs/testing.md",
        "manifests/overlays/production/README.md",
    }
)
"""Pages whose blocks do not run as they stand yet."""


def why_not_run(block: Block) -> str | None:
    """Return why a block is not run; None of a block that is."""
    listed = NOT_RUN.get(block.page, {})
    return next((reason for start, reason in listed.items() if block.code.startswith(start)), None)
