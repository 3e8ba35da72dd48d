"""Lineage: the tables that statements and runs read and wrote, with their snapshots."""
