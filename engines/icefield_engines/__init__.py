"""Programs that run inside the pods of workspaces."""
