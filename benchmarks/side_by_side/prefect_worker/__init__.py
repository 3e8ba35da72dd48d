"""Prefect: a server and a Kubernetes worker on this machine, in environments of their own, and its task image."""
