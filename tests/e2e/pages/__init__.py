"""The code blocks of README.md and docs/, run as they stand."""
