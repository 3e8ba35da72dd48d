"""Workspaces: a namespace each, with roles, object store credentials and a NetworkPolicy around it."""
