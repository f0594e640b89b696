"""Place 3, the batch."""
