"""The workspaces' catalogs for outside engines: the Iceberg REST protocol, passed through.

What is ours is who may do what, the keys that open the tables' files, the names, and the lineage of runs.
"""
