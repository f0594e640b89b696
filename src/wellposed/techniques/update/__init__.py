"""Place 7, the update."""
