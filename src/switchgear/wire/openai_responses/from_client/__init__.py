"""A client's bytes as a neutral request."""
