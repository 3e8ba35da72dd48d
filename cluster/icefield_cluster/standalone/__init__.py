"""A real single-node Kubernetes out of registry packages, for Linux with root and without Docker."""
