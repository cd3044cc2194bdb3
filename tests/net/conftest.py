"""Transport tests run on every implementation and on both event loops: uvloop, as served, and asyncio's."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from tests.sim.certificates import Authority

from switchgear.net.transport import Transport
from switchgear.net.transport_lean import LeanTransport
from switchgear.net.transport_pyreqwest import PyreqwestTransport

DIFFERENCES = {
    "pyreqwest:test_connection_closed_under_the_request_is_retried_once": (
        "hyper sends again only what it had not begun to write; the relay's own retry covers chat"
    ),
    "pyreqwest:test_cancelling_before_headers_closes_the_connection": (
        "the connection stays until the upstream answers or the client is closed"
    ),
    "pyreqwest:test_replies_that_two_parsers_read_in_two_ways": (
        "hyper takes a length beside chunked, equal lengths twice, lists of codings and bare line feeds"
    ),
}
"""What an implementation can't do. Each entry must fail, or the table is no longer true and the run fails."""


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["lean", "pyreqwest"])
def implementation(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    reason = DIFFERENCES.get(f"{name}:{request.node.originalname}")
    if reason is not None:
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    return name


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def client(implementation: str, authority: Authority) -> AsyncIterator[Transport]:
    transport: Transport
    if implementation == "pyreqwest":
        transport = PyreqwestTransport(root_certificate_pem=authority.pem)
    else:
        transport = LeanTransport(ssl_context=authority.client_context())
    yield transport
    await transport.close()
