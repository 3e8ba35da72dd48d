"""The code blocks of the documentation's pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt

from icefield_cluster.paths import CHECKOUT

PICTURES = frozenset({"mermaid", "text"})
"""Languages of what nobody executes: diagrams, trees of files, and what a program printed."""
RUN = frozenset({"sh", "python", "sql", "yaml"})
"""Languages that tests/e2e/pages/session.py runs."""


@dataclass(frozen=True)
class Block:
    """A fenced or indented code block.

    Args:
        page: path of its page below the checkout.
        language: first word of its info string; empty when it has none.
        code: its text.
        line: number of its first line of code in the page, from 1.
    """

    page: str
    language: str
    code: str
    line: int

    @property
    def first_line(self) -> str:
        """Its first line of code, which names it among the blocks of its page."""
        return self.code.strip().partition("\n")[0]


def pages() -> list[str]:
    """Return the paths of all pages below the checkout; notes on decisions are not instructions, and no pages."""
    found = [
        CHECKOUT / "README.md",
        CHECKOUT / "CONTRIBUTING.md",
        *sorted(CHECKOUT.glob("docs/*.md")),
        *sorted(CHECKOUT.glob("manifests/**/*.md")),
    ]
    return [str(path.relative_to(CHECKOUT)) for path in found]


def blocks_of(page: str) -> list[Block]:
    """Return the code blocks of a page, in order, without pictures."""
    return [
        block for block in _blocks_in((CHECKOUT / page).read_text(encoding="utf-8"), page) if not _is_picture(block)
    ]


def _blocks_in(text: str, page: str) -> list[Block]:
    return [
        Block(page, token.info.partition(" ")[0], token.content, token.map[0] + (2 if token.type == "fence" else 1))
        for token in MarkdownIt().parse(text)
        if token.type in ("fence", "code_block") and token.map is not None
    ]


def _is_picture(block: Block) -> bool:
    return block.language in PICTURES


def links_of(page: str) -> list[str]:
    """Return the targets of a page's links to other files, and to its own headings."""
    tokens = MarkdownIt().enable("table").parse((CHECKOUT / page).read_text(encoding="utf-8"))
    links = [child for token in tokens for child in token.children or [] if child.type == "link_open"]
    targets = [str(link.attrs["href"]) for link in links]
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(text)
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
