"""The command dbt with dbt-polnor 0.1.0 and what that lacks. docs/dbt.md says which line is for what."""

import sys
import types
from importlib.metadata import distribution


def main() -> None:
    """Run dbt with the arguments of the command line."""
    published = distribution("dbt-polnor")

    # dbt reads the version from a module that the package does not have.
    version_module = types.ModuleType("dbt.adapters.polnor.__version__")
    version_module.version = published.version
    sys.modules[version_module.__name__] = version_module

    from dbt.adapters.polnor import Plugin, PolnorAdapter
    from dbt.cli.main import cli

    # The adapter looks for its macros in the current directory, not where it is installed.
    Plugin.include_path = str(published.locate_file(Plugin.include_path))

    # The adapter's own makes DECIMAL, which is DECIMAL(10,0), of DECIMAL(10,2), and leaves Iceberg's TIMESTAMPTZ, which
    # SQL calls TIMESTAMP; dbt's makes CHARACTER VARYING of STRING.
    PolnorAdapter.Column.translate_type = classmethod(
        lambda cls, dtype: dtype.upper().replace("TIMESTAMPTZ", "TIMESTAMP")
    )
    PolnorAdapter.Column.string_type = classmethod(lambda cls, size: "STRING")

    cli()


if __name__ == "__main__":
    main()
