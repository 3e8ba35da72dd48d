"""The Iceberg REST protocol for external engines, proxied to the workspaces' catalogs.

The proxy adds authorization, credentials for the tables' files, checks of names, and the lineage of runs.
"""
