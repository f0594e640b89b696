"""Pages for people: one HTML file each, which opens offline and loads nothing."""
