"""What a metric is, whatever it was written as: names, numbers that lose nothing, JSON lines."""
