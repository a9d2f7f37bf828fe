"""Request -> Outcome: start, watch, stream, stop."""
