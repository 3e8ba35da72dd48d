"""A statement written for the engine that runs it."""
