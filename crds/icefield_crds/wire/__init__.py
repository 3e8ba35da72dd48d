"""What parts of Icefield send each other and Kubernetes does not carry, one module for each exchange.

Dataclasses of the standard library with `to_json` and `from_json`: they are read in processes that must stay small.
A reader ignores fields it does not know, and takes null for absent, so that either side may be upgraded first.
"""
