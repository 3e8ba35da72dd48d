"""Each code block of the documentation is run by tests/e2e/pages, or listed there with the reason why not."""

from __future__ import annotations

import pytest
from tests.e2e.pages.blocks import RUN, anchors_of, blocks_of, links_of, pages
from tests.e2e.pages.exceptions import NOT_RUN, why_not_run

from icefield_cluster.paths import CHECKOUT


@pytest.mark.parametrize("page", pages())
def test_each_block_is_run_or_listed_with_a_reason(page: str) -> None:
    left = [
        f"{page}:{block.line}: {block.language or 'no language'}: {block.first_line}"
        for block in blocks_of(page)
        if block.language not in RUN and why_not_run(block) is None
    ]
    assert left == []


@pytest.mark.parametrize("page", sorted(NOT_RUN))
def test_what_is_listed_is_one_block_of_the_page(page: str) -> None:
    found = {
        start: [block.line for block in blocks_of(page) if block.code.startswith(start)] for start in NOT_RUN[page]
    }
    assert {start: lines for start, lines in found.items() if len(lines) != 1} == {}
    assert all(reason.strip() for reason in NOT_RUN[page].values())


@pytest.mark.parametrize("page", pages())
def test_each_link_leads_somewhere(page: str) -> None:
    broken = []
    for target in links_of(page):
        path, _, anchor = target.partition("#")
        file = (CHECKOUT / page).parent / path if path else CHECKOUT / page
        if not file.exists() or (anchor and anchor not in anchors_of(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []
