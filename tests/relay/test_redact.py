"""Without this a credential in no known form, or in a header of a channel, could be told to clients."""

import pytest

from switchgear.link.snapshot import ChannelView
from switchgear.relay.redact import redact, redact_error
from switchgear.wire.faults import UpstreamError

KEY, TOKEN = "a plain phrase", "tok/4821=="
CHANNEL = ChannelView(
    "c1",
    "main",
    "compatible",
    {},
    "authorization",
    "Bearer ",
    (KEY, "short"),
    {},
    (),
    headers=(("x-extra", f"Token {TOKEN}"), ("x-mode", "fast")),
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"no: {KEY}, {KEY}", "no: ***, ***"),
        (f"Token {TOKEN} is bad", "*** is bad"),
        (f"{TOKEN} is bad", "*** is bad"),
        ("a short and fast word", "a short and fast word"),
        ("", ""),
    ],
)
def test_what_was_sent_is_taken_out_and_nothing_else(said: str, shown: str) -> None:
    assert redact(said, CHANNEL.secrets, CHANNEL.headers) == shown


def test_every_word_of_an_error_is_looked_at() -> None:
    error = redact_error(UpstreamError("client", 400, KEY, TOKEN, KEY, TOKEN, 7), CHANNEL)
    assert (error.message, error.type, error.code, error.param) == ("***",) * 4
    assert (error.kind, error.status, error.retry_after_s) == ("client", 400, 7)
    bare = redact_error(UpstreamError("client", 400), CHANNEL)
    assert (bare.code, bare.param) == (None, None)
