"""Spark Connect beside the gateway of a warehouse's pod, and the executors of larger warehouses."""
