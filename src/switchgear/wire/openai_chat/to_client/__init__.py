"""Neutral events as a client's bytes."""
