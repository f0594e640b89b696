"""Place 2, the weights at step 0."""
