"""Loading a file into a table by one call."""
