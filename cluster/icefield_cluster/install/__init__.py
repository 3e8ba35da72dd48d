"""Installs Icefield into a cluster of any provider; every step is idempotent."""
