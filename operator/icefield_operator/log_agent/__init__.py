"""The log agent: on each node it archives the logs of the node's task pods from the files that the runtime writes.

An open file outlives its renaming and deletion, so what the kubelet rotates away stays readable until it is archived.
"""
