"""Types of request fields that several features share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .passwords import MAX_LENGTH, MIN_LENGTH

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^@\s]+@[^@\s]+$"),
    Field(description="E-mail address; it identifies the user.", examples=["you@acme.eu"]),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=253)]
NewPassword = Annotated[
    str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, description=f"At least {MIN_LENGTH} characters.")
]
