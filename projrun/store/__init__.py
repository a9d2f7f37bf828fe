"""Run directories, the log of a run, the index."""
