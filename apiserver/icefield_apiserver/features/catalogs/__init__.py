"""The workspace's catalog under its names in SQL, for oleander's clients."""
