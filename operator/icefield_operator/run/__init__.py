"""The Run: one execution of a DAG of tasks, one pod per attempt of a task."""
