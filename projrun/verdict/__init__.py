"""What a run that was done again came to, beside the run it was done after."""
