"""Settings of a process of ours: environment variables, and Secrets that are mounted as files.

A Secret in a variable is inherited by everything that the process starts, and is shown by whatever prints an
environment; so in a pod each is a file of the variable's name.
"""

from __future__ import annotations

from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, PydanticBaseSettingsSource

SECRETS_DIRECTORY = "/etc/icefield/secrets"


class MountedSettings(BaseSettings):
    """Reads each field from the variable of its name, else from the file of that name in `SECRETS_DIRECTORY`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the first that has a value wins."""
        files = NestedSecretsSettingsSource(
            file_secret_settings, secrets_dir=SECRETS_DIRECTORY, secrets_dir_missing="ok"
        )
        return init_settings, env_settings, dotenv_settings, files
