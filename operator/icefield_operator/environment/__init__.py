"""Environments of requirements: a pod builds each once, and keeps it in the object store."""
