"""Results as they lie in the object store: read as they come, and as JSON has their values."""
