"""SQL statements: planned, run by a warehouse's gateway, recorded, and their results read from the object store."""
