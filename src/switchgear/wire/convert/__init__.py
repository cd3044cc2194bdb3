"""Answers on their way from one dialect to another."""
