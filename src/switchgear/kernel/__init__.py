"""Words shared by every part. Imports the standard library and msgspec only."""
