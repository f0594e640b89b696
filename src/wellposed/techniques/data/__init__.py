"""Place 1, the data before training."""
