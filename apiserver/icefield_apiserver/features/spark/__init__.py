"""Spark applications, as oleander's clients submit them: each is a Run with a driver and executors."""
