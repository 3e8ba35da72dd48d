"""Spark Connect beside the gateway of a warehouse's pod."""
