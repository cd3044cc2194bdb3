"""Outbound HTTP behind one interface."""
