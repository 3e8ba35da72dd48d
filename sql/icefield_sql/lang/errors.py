"""What can be wrong with a statement before any engine sees it."""

from __future__ import annotations


class SqlError(ValueError):
    """The statement does not parse or is not allowed; the sentence is for the caller (400).

    Args:
        sentence: the message.
        at: the position in the statement's text that it is about; None where it is about all of it.
    """

    def __init__(self, sentence: str, at: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.at = at
        self.bare = sentence
        """The sentence without the place, where it has one."""


class TakesTooLong(SqlError):  # noqa: N818 - named after its cause
    """Planning the statement takes too long: longer than the caller allows, or than any statement may."""


class UnresolvedName(Exception):  # noqa: N818 - named after its cause
    """The statement names something the catalog does not have; the statement fails with `code` (200, status failed).

    Args:
        code: Spark's error class, such as `TABLE_OR_VIEW_NOT_FOUND`.
        sentence: the message for the caller.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
