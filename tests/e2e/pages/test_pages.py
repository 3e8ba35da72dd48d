"""Every code block of the documentation runs as it stands: those of a page in order, after the demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from icefield_cluster import demo

from . import leftovers
from .blocks import blocks_of, pages
from .exceptions import why_not_run
from .programs import BlockError
from .session import Session

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def demonstrated(platform: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The platform after `icefield demo`: with the warehouse `demo` and the tables of flights."""
    folder = tmp_path_factory.mktemp("demo")
    kubectl = (str(platform.kubectl), "--kubeconfig", str(platform.kubeconfig))
    target = demo.DemoTarget(platform.api_url, platform.api_key, str(platform.ca_bundle), kubectl, folder)
    with (folder / "output").open("w", encoding="utf-8") as output:
        demo.run(target, Console(file=output))
    yield platform
    leftovers.remove(platform)


@pytest.fixture
def session(demonstrated: Any, tmp_path: Path) -> Iterator[Session]:
    """The shell and the Python of a page."""
    leftovers.remove(demonstrated)
    session = Session(demonstrated, tmp_path)
    yield session
    session.close()


@pytest.mark.parametrize(
    "page", [page for page in pages() if any(why_not_run(block) is None for block in blocks_of(page))]
)
def test_the_blocks_of_a_page_run_as_they_stand(session: Session, page: str) -> None:
    for block in blocks_of(page):
        if why_not_run(block):
            continue
        try:
            session.run(block)
        except BlockError as error:
            pytest.fail(f"{page}:{block.line}: {block.first_line}\n{error}", pytrace=False)
