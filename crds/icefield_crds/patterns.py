"""What a text should be that does not match a pattern, in words: a person who reads an error knows no expressions."""

from __future__ import annotations

from .execution import IN_WORDS
from .polars import TABLE_PATTERN

DESTINATION_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,3}$"
"""Names of tables that are written; without a database they are of `default`."""
PATTERNS_IN_WORDS = {
    **IN_WORDS,
    TABLE_PATTERN: "should be a name such as database.table or database.schema.table, with letters, digits, - and _ "
    "only, each part of which begins with a letter or _",
    DESTINATION_PATTERN: "should be a name such as table, database.table or database.schema.table, with letters, "
    "digits, - and _ only, each part of which begins with a letter or _",
    r"^s3a?://.+\.(py|jar)$": "should be the address of a .py or .jar file, such as s3://bucket/app.py",
    r"^s3a?://.+\.(py|zip|egg)$": "should be the address of a .py, .zip or .egg file, such as s3://bucket/lib.zip",
    r"^[^:,\s]+:[^:,\s]+:[^:,\s]+$": "should be group:artifact:version, such as org.example:lib:1.0",
    "^(never|[1-9][0-9]{0,5}[smh])$": "should be a number with s, m or h, such as 30m, or never",
    "^arn:[^ ]+$": "should begin with arn: and have no spaces",
    r"^[a-z]([-a-z0-9_]*[a-z0-9])?$": "should have lower-case letters, digits, - and _ only, begin with a letter "
    "and end with a letter or digit",
    "^https?://": "should be an address that begins with http:// or https://",
    r"^[^@\s]+@[^@\s]+$": "should be an e-mail address",
    r"^[0-9]{1,19}$": "should be a whole number",
    r"\S": "should not be blank",
}
"""Of all fields and parameters; by their patterns."""
