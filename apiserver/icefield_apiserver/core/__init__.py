"""What every feature uses: settings, errors, pagination, the database, Kubernetes, the object store, the catalog."""
