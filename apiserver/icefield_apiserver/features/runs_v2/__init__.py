"""Runs in oleander's API."""
