"""Place 8, the average over time."""
