"""The object store: transfers with a bucket, and the files of workspaces."""
