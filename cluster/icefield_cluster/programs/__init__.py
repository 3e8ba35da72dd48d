"""The programs of a cluster: which, and how they are built from Go modules."""
