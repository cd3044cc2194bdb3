"""Scripts that drive the official SDKs; each runs in the Python that has the SDK's version in question."""
