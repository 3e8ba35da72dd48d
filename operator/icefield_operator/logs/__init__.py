"""Logs outlive pods: each attempt's log is followed from its start and archived to the object store."""
