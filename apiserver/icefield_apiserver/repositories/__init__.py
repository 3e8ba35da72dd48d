"""What routes ask for: one class per kind, over the caches and the writes of `kube`."""
