"""The platform's bucket, its users and its policy."""
