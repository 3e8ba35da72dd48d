"""Environments of requirements: built once by uv, kept in the object store, unpacked where code runs.

The modules run as scripts, in images that have nothing else of ours: `build` in whatever image the environment is for,
with the standard library alone; `archive` in the image of tasks.
"""
