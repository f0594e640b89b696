"""Place 5, added to the loss."""
