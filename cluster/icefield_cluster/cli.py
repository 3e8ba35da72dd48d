"""The command `icefield`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from icefield_cluster import dev as development
from icefield_cluster import images as catalogue
from icefield_cluster import lifecycle, people, providers
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.installer import WORKSPACE
from icefield_cluster.invocation import program, variables_below
from icefield_cluster.progress import Steps, show_error
from icefield_cluster.standalone import buildah
from icefield_cluster.state import ClusterState, check_name, default_directory

app = typer.Typer(
    help="Icefield on your machine: creates a Kubernetes cluster, installs Icefield into it, and deletes it again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console = Console()
errors = Console(stderr=True)


users = typer.Typer(help="People who use a cluster.", no_args_is_help=True)
app.add_typer(users, name="user")


class RoleName(StrEnum):
    """Values of --role."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class ProviderName(StrEnum):
    """Values of --provider."""

    AUTO = "auto"
    KIND = "kind"
    STANDALONE = "standalone"
    EXISTING = "existing"


Name = Annotated[
    str, typer.Option(help="The cluster's name; several can exist side by side.", envvar="ICEFIELD_CLUSTER")
]
StateDir = Annotated[Path | None, typer.Option(help="The cluster's folder.", show_default=".icefield/<name>")]
ProviderOption = Annotated[ProviderName, typer.Option(help="How the cluster is created, or which one is used.")]
Port = Annotated[int, typer.Option(help="TCP port of the API server on this machine.")]
AsAdmin = Annotated[
    bool, typer.Option("--admin", help="With a token of the platform's administrator, valid for an hour.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing an existing cluster.")]


@contextmanager
def reporting() -> Iterator[None]:
    """Show a ClusterError as a message, the end of its log and a fix, and exit."""
    try:
        yield
    except ClusterError as error:
        show_error(errors, error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print(f"\nstopped; `{program()} up` continues from here, `{program()} down` cleans up")
        raise typer.Exit(130) from None


def _directory(name: str, state_dir: Path | None) -> Path:
    return (state_dir or default_directory(check_name(name))).resolve()


def _up(name: str, state_dir: Path | None, provider: ProviderName, yes: bool) -> ClusterState:
    directory = _directory(name, state_dir)
    with lifecycle.busy(directory):
        state = lifecycle.open_or_create(directory, check_name(name), provider)
        question = lifecycle.confirmation(state)
        if question and not yes and not typer.confirm(question):
            raise typer.Exit(1)
        with Steps(console, state.logs) as steps:
            lifecycle.up(state, steps)
    return state


@app.command()
def up(
    name: Name = "icefield",
    provider: ProviderOption = ProviderName.AUTO,
    state_dir: StateDir = None,
    yes: Yes = False,
) -> None:
    """Create a cluster and install Icefield; on an existing one, update it and restart what has ended."""
    with reporting():
        state = _up(name, state_dir, provider, yes)
        options = "" if name == "icefield" else f" --name {name}"
        options += f" --state-dir {state_dir}" if state_dir else ""
        icefield = program()
        show = partial(console.print, highlight=False, soft_wrap=True)
        show(f"\nIcefield is ready at {state.api_url}/docs")
        show(f'  eval "$({icefield} env{options})"   for curl, kubectl and the Python clients')
        show(f"  {icefield} down{options}   deletes it")


@app.command()
def down(name: Name = "icefield", state_dir: StateDir = None) -> None:
    """Delete a cluster with everything in it; fails when there is none."""
    with reporting():
        directory = _directory(name, state_dir)
        existed = directory.exists()
        with lifecycle.busy(directory), Steps(console, directory / "logs") as steps:
            found = lifecycle.down(directory, name, steps)
        if not found:
            _forget(directory, existed=existed)
        if outdated := variables_below(directory, os.environ):
            console.print(
                f"Variables of this shell name files of the deleted cluster: unset {' '.join(outdated)}", soft_wrap=True
            )
        if not found:
            raise lifecycle.no_cluster(directory, name)


def _forget(directory: Path, *, existed: bool) -> None:
    (directory / "lock").unlink(missing_ok=True)
    if not existed:
        directory.rmdir()
        if directory.parent.name == ".icefield" and not any(directory.parent.iterdir()):
            directory.parent.rmdir()


@app.command()
def status(name: Name = "icefield", state_dir: StateDir = None) -> None:
    """Show the status of a cluster; fails when a part of it does not run or is missing."""
    with reporting():
        state = lifecycle.require(_directory(name, state_dir), name)
        table = Table("part", "where", "status", title=f"{state.name} ({state.provider})", title_justify="left")
        parts = lifecycle.health(state)
        for part in parts:
            table.add_row(part.name, part.detail, f"[{'green' if part.is_well else 'red'}]{part.status}[/]")
        console.print(table)
        if unwell := ", ".join(part.name for part in parts if not part.is_well):
            raise ClusterError(f"not as it should be: {unwell}", fix=f"run `{program()} up --name {name}`")


@app.command()
def env(name: Name = "icefield", state_dir: StateDir = None, admin: AsAdmin = False) -> None:
    """Print the environment of clients for a shell: eval "$(.venv/bin/icefield env)"."""
    with reporting():
        state = lifecycle.require(_directory(name, state_dir), name)
        variables = lifecycle.administrator_environment(state) if admin else lifecycle.environment(state)
        for key, value in variables.items():
            # The shell expands $PATH.
            quoted = f'"{value}"' if key == "PATH" else shlex.quote(value)
            typer.echo(f"export {key}={quoted}")


@users.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Name = "icefield",
    state_dir: StateDir = None,
    workspace: Annotated[str, typer.Option(help="The workspace to enter.")] = WORKSPACE,
    role: Annotated[RoleName, typer.Option(help="The role there.")] = RoleName.EDITOR,
) -> None:
    """Make a user, and a member of a workspace; prints the new user's password."""
    with reporting():
        state = lifecycle.require(_directory(name, state_dir), name)
        added = people.add_user(state, email, workspace, role.value)
        show = partial(console.print, highlight=False, soft_wrap=True)
        show(f"{added.email} is {role.value} of workspace {workspace}")
        show(f"password: {added.password}" if added.password else "the password is as it was")


@app.command()
def images() -> None:
    """Show the images, their tags, and whether they are built."""
    with reporting():
        table = Table("image", "tag", "", box=None)
        known = catalogue.load()
        for image, tag in buildah.tags(known).items():
            table.add_row(image, tag, "built" if buildah.archive(known[image], tag).exists() else "")
        console.print(table)


@app.command()
def dev(name: Name = "icefield", state_dir: StateDir = None, port: Port = 8443) -> None:
    """Run operator and API server from the checkout against the running cluster, reloading on change."""
    with reporting():
        state = lifecycle.require(_directory(name, state_dir), name)
        provider = providers.BY_NAME[state.provider]
        development.run(state, provider.kubectl(state), provider.enter(state), console, port=port)


@app.command()
def demo(
    name: Name = "icefield",
    provider: ProviderOption = ProviderName.AUTO,
    state_dir: StateDir = None,
    yes: Yes = False,
) -> None:
    """Create a cluster, and run a pipeline over real data in it: through REST, then with kubectl."""
    with reporting():
        state = _up(name, state_dir, provider, yes)
        # Importing its libraries takes a second, which other commands need not wait for.
        from icefield_cluster import demo as pipeline

        kubectl = providers.BY_NAME[state.provider].kubectl(state)
        target = pipeline.DemoTarget(
            api_url=state.api_url,
            token=state.api_key.read_text(encoding="utf-8").strip(),
            ca_file=str(state.ca_bundle),
            kubectl=tuple(str(word) for word in kubectl.argv),
            directory=state.directory / "demo",
        )
        target.directory.mkdir(exist_ok=True)
        pipeline.run(target, console)
