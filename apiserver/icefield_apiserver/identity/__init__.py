"""Who calls, and what they may do: users, passwords, log-in tokens, API keys, run tokens, membership."""
