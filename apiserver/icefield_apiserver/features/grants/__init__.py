"""Grants: who may read and write which databases and tables of a workspace."""
