"""Log-in, the caller, and API keys."""
