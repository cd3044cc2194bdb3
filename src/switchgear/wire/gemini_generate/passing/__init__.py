"""The same dialect on both sides: bytes pass with named edits."""
