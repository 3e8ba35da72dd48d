"""Sandboxes: single-use pods in which Polars workloads run, and the pool of each workspace's warm ones."""
