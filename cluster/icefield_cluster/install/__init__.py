"""Puts Icefield into a cluster, whatever kind of cluster it is; every step may be repeated."""
