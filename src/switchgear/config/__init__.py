"""Configuration as code: TOML text and environment in, a checked ``Config`` out, with every problem named."""
