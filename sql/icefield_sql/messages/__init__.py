"""What engines say of a statement that fails, in words of its author."""
