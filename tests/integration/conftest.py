"""Fixtures that tests of several kinds share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own_ca(tmp_path: Path) -> Path:
    """The CA behind our REST API."""
    path = tmp_path / "ca.crt"
    path.write_text("-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n")
    return path
