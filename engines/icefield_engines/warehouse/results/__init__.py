"""Results of statements: one Arrow schema for both engines, one Arrow IPC stream in the object store."""
