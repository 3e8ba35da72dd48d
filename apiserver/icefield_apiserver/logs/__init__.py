"""Logs of runs: what is archived in the object store joined with what the pods still hold."""

from .archive import Archive
from .entry import Entry
from .pod import PodLogs
from .reader import LogReader, check_task

__all__ = ["Archive", "Entry", "LogReader", "PodLogs", "check_task"]
