"""Files in statements: what is read from them, and how they are named."""
