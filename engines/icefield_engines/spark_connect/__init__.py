"""Spark Connect, in the same pod as a warehouse's gateway."""
