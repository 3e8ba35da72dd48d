"""What a statement does and names: one parse, what is allowed, what the catalog has."""
