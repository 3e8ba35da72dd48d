"""Access to Kubernetes for the operator and the API server: client, paths, errors, list + watch, versioned store."""
