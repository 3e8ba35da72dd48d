"""The same trivial tasks by bare pods, batch/v1 Jobs, Prefect's Kubernetes worker and Icefield, interleaved.

Needs a standalone cluster on this machine, PyPI, and what builds images there (`icefield up` installs it):
`eval "$(icefield env)"; python -m benchmarks.side_by_side`.
"""
