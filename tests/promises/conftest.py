"""The fake upstream in a process of its own, as for the other tests of the whole product."""

from tests.e2e.conftest import upstream_url

__all__ = ["upstream_url"]
