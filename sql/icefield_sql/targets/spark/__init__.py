"""Statements for Spark."""
