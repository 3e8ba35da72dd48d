"""The page on workspaces lists each route once; tests/api/test_roles.py holds the roles against the API server."""

from __future__ import annotations

from tests.api.test_roles import PAGE, calls, documented


def test_the_page_on_roles_has_each_route() -> None:
    routes = sorted(call.shown for call in calls())
    assert sorted(documented()) == routes
    assert all(PAGE.read_text().count(f"| `{route}` |") == 1 for route in routes)
