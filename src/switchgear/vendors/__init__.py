"""Places that serve models, as data."""
