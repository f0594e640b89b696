"""Place 6, the gradient."""
