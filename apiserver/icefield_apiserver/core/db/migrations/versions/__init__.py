"""One module per version, in the order of its number."""
