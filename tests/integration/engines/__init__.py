"""The programs of a warehouse's pod, as processes, over a real object store and a real catalog."""
