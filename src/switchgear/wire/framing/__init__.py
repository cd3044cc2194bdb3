"""Bytes of requests and streams, cut and joined without knowing what they mean."""
