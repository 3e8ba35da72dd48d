"""Commands are printed as they can be typed, and variables that a deleted cluster leaves are found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from icefield_cluster.invocation import program, variables_below


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    command = tmp_path / ".venv/bin/icefield"
    command.parent.mkdir(parents=True)
    command.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(command), "up"])
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_of_the_checkout_is_named_by_its_path(checkout: Path) -> None:
    assert program() == ".venv/bin/icefield"


def test_a_command_elsewhere_is_named_by_its_whole_path(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert program() == str(checkout / ".venv/bin/icefield")


def test_a_command_on_the_path_is_named_by_its_name(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / ".venv/bin"))
    assert program() == "icefield"


def test_variables_that_name_files_of_a_cluster(tmp_path: Path) -> None:
    environment = {"SSL_CERT_FILE": f"{tmp_path}{os.sep}ca.crt", "PATH": f"/bin:{tmp_path}/bin", "HOME": str(tmp_path)}
    assert variables_below(tmp_path, environment) == ["SSL_CERT_FILE"]
