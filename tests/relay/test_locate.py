"""Without this, a secret could go out in a header that the dialect does not read, or not at all."""

import pytest

from switchgear.link.snapshot import ChannelView
from switchgear.relay.locate import Locator
from switchgear.relay.plan import Candidate

CHANNEL = ChannelView(
    id="c",
    name="c",
    vendor="compatible",
    endpoints={"openai_chat": "http://h/v1/chat/completions", "anthropic_messages": "http://h/v1/messages"},
    auth_header="authorization",
    auth_prefix="Bearer ",
    secrets=("sk-1", "sk-2"),
    models={"m": "m"},
    groups=("default",),
    auths={"anthropic_messages": ("x-api-key", "")},
)


async def nobody(call: object, timeout_s: float) -> object:
    raise AssertionError("the controller is asked for embedded models only")


@pytest.mark.parametrize(
    ("operation", "header"),
    [("openai_chat", ("authorization", "Bearer sk-2")), ("anthropic_messages", ("x-api-key", "sk-2"))],
)
async def test_each_dialect_gets_the_secret_in_its_own_header(
    operation: str, header: tuple[str, str]
) -> None:
    address = await Locator(nobody).locate(Candidate(CHANNEL, 1, "m", ("openai_chat",)), operation)
    assert address.url == CHANNEL.endpoints[operation]
    assert address.auth == (header,)


async def test_a_channel_without_a_secret_sends_none() -> None:
    address = await Locator(nobody).locate(
        Candidate(CHANNEL, -1, "m", ("openai_chat",)), "anthropic_messages"
    )
    assert address.auth == ()
