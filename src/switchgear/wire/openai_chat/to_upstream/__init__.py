"""A neutral request as an upstream's bytes."""
