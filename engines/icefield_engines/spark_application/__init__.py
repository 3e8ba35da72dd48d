"""The driver of a Spark application, in a pod of its own."""
