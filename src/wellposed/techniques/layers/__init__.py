"""Place 4, inside the network."""
