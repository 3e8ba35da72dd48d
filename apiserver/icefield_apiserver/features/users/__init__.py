"""Users of the platform."""
