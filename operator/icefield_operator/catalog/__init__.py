"""The Iceberg catalogs of workspaces: their managers, and how each catalog is created and deleted."""
