"""How relay workers and the controller talk: frames over a unix socket, or in memory for tests."""
