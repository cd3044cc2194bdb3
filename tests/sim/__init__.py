"""Simulated peers for tests: real loopback servers that use none of the product's own network code."""
