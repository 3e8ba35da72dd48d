"""The Iceberg catalogs of workspaces: who keeps them, and how each is made and removed."""
