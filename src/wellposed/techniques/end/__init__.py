"""Place 9, when to stop."""
