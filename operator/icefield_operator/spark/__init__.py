"""Spark applications: Runs whose pod is a Spark driver, with executors in pods of their own."""
