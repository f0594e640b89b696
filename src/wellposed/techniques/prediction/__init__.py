"""Place 10, one answer from many members."""
