"""The tests, importable so that shared simulators can be named ``tests.sim.x``."""
