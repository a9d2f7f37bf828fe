"""Lock -> Environment: key, build once, reuse."""
