"""Volumes: folders of files in databases, in the workspace's own part of the object store."""
