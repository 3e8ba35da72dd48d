"""Runs and their tasks."""
