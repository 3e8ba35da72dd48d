"""Queries for Polars."""
