"""Logs of runs: the archive in the object store, joined with what the pods still hold."""
