"""An upstream's bytes as neutral events."""
