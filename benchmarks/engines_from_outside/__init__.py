"""Engines outside the cluster at /iceberg, each with the configuration of docs/catalog.md and an API key."""
