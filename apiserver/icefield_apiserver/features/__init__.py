"""One folder a feature; each registers itself with its feature.py."""
