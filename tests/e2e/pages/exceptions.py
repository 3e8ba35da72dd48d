"""Which code blocks of the documentation tests/e2e/pages/test_pages.py does not run, and why."""

from __future__ import annotations

from .blocks import Block, blocks_of

CONTROL_PLANE = (
    "installs into a cluster of the reader's; tests/integration/test_cloud_example.py runs it on a control plane"
)
RESTORE = "stops the API server for a moment; tests/e2e/exclusive/test_restore.py runs it alone"
NODES = "waits for the pods of a cluster that pulls images from a registry of the reader's"
OUTSIDE = "is for an engine of another installation, with its addresses; benchmarks.engines_from_outside runs them"
CONFIGURATION = "is the configuration of another program, shortened"

NOT_RUN = {
    "README.md": {
        "make demo": "creates a cluster, and runs all tests; `icefield up` and the demo made what these run on",
    },
    "docs/benchmarks.md": {
        "mvn dependency:copy -Dartifact=io.trino": "downloads 1.5 GB, and wants a JDK 25",
    },
    "docs/catalog.md": {
        "-- with the extensions httpfs": OUTSIDE,
        "spark.sql.extensions": OUTSIDE,
        "keytool -importcert": OUTSIDE,
        "connector.name=iceberg": OUTSIDE,
        "iceberg.rest-catalog.vended-credentials-enabled=true": OUTSIDE,
        "iceberg.rest-catalog.vended-credentials-enabled=false": OUTSIDE,
        "#!/bin/sh -eu": OUTSIDE,
    },
    "docs/install.md": {
        "kubectl config use-context": "wants a cluster of the reader's, a registry and Docker",
        "registry=registry.example.com": "builds images with Docker, and pushes them to a registry of the reader's",
        "kubectl apply --server-side -f manifests/base/namespace.yaml": CONTROL_PLANE,
        "kubectl apply --server-side -k crds": CONTROL_PLANE,
        "kubectl -n icefield-system rollout status": NODES,
        "jq '.items |= map": "is for another cluster; the backup's block applies the same file as a dry run",
        "kubectl -n icefield-system scale deployment icefield-apiserver --replicas=0": RESTORE,
    },
    "docs/libraries.md": {
        "uv export": "resolves a project of the reader's with a package index; locks: tests/e2e/test_libraries.py",
        "FROM registry.example.com": "builds an image with Docker from a registry of the reader's",
    },
    "docs/operations.md": {
        '{\n  "identities"': CONFIGURATION,
    },
    "docs/polars.md": {
        "kubectl -n icefield-acme create secret generic icefield-polars-cloud": "wants an account of Polars Cloud",
    },
    "docs/testing.md": {
        ".venv/bin/python -m tests.chaos.disturbed_runs": "takes 20 to 30 minutes, and a cluster that nobody else uses",
        ".venv/bin/python -m tests.chaos.fuzzed_requests": "takes minutes; tests/api/sql/test_fuzzing.py sends fewer",
    },
}
"""Page: how a block begins, and why it is not run with the others of its page."""


def why_not_run(block: Block) -> str | None:
    """Return why a block is not run; None of a block that is."""
    listed = NOT_RUN.get(block.page, {})
    return next((reason for start, reason in listed.items() if block.code.startswith(start)), None)


def blocks_with(page: str, reason: str) -> list[Block]:
    """Return the blocks of a page that another test runs, in order."""
    return [block for block in blocks_of(page) if why_not_run(block) == reason]
