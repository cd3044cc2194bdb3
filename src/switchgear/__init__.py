"""Switchgear: a self-hosted relay for AI APIs. One key, one bill, every model."""

__version__ = "0.1.0"
