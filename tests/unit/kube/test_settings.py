"""Settings out of variables and of files."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from icefield_kube import settings
from icefield_kube.settings import MountedSettings


class Store(MountedSettings):
    model_config = SettingsConfigDict(env_prefix="ICEFIELD_TEST_STORE_")

    region: str = "us-east-1"
    key: SecretStr = SecretStr("")


class All(MountedSettings):
    model_config = SettingsConfigDict(env_prefix="ICEFIELD_TEST_")

    token: SecretStr
    store: Store = Field(default_factory=Store)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "SECRETS_DIRECTORY", str(tmp_path))
    return tmp_path


def test_a_file_of_the_variables_name_is_read(mounted: Path) -> None:
    (mounted / "ICEFIELD_TEST_TOKEN").write_text("t")
    (mounted / "ICEFIELD_TEST_STORE_KEY").write_text("k")
    found = All()
    assert found.token.get_secret_value() == "t"
    assert found.store.key.get_secret_value() == "k"
    assert found.store.region == "us-east-1"


def test_a_variable_wins_over_a_file(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mounted / "ICEFIELD_TEST_TOKEN").write_text("mounted")
    monkeypatch.setenv("ICEFIELD_TEST_TOKEN", "variable")
    assert All().token.get_secret_value() == "variable"


def test_outside_of_a_pod_there_is_no_such_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SECRETS_DIRECTORY", "/nowhere")
    monkeypatch.setenv("ICEFIELD_TEST_TOKEN", "variable")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert All().token.get_secret_value() == "variable"
