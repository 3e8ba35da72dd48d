"""Environment variables of a workspace's tasks."""
