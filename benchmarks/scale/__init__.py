"""A thousand runs at once: what Icefield adds to a script that chains the same pods, on simulated nodes.

`python -m benchmarks.scale` starts all that it needs and nothing has to run before: a real etcd, kube-apiserver,
controller manager and scheduler, 20 nodes of KWOK (pods end as soon as they have started, and have a log), Postgres, an
object store, the API server and one operator as processes of their own, with the rights of their service accounts. A
round is the bare script, then the same number of runs through REST; what counts is the ratio of both.
"""
