"""What a run came to: comparisons, what gains are made of, costs and failures."""
