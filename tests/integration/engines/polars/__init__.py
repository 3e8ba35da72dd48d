"""The sandbox program over the real catalog and object store."""
