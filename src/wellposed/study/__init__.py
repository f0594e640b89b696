"""Studies: which recipe is best, found by trials that train together and are stored as they end."""
