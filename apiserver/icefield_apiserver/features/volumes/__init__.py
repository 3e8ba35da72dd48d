"""Volumes: folders of files in databases, below the workspace's prefix in the object store."""
