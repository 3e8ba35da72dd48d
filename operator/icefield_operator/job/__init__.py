"""Jobs: templates of runs, some with a schedule."""
