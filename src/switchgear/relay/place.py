"""Where a response lies that an upstream keeps."""

import msgspec

from switchgear.kernel.dialects import OperationName
from switchgear.kernel.secret import key_digest
from switchgear.kernel.stored import StoredResponse
from switchgear.link.snapshot import ChannelView, Snapshot

OPERATION: OperationName = "openai_responses"


class Place(msgspec.Struct, frozen=True):
    """The channel and upstream key that made a response; no other knows it."""

    channel: ChannelView
    secret: int


def secret_digest(channel: ChannelView, secret: int, pepper: bytes) -> bytes:
    """Of one upstream key of a channel; empty for a channel without any."""
    return key_digest(channel.secrets[secret], pepper) if secret >= 0 else b""


def place_of(snapshot: Snapshot, response: StoredResponse, pepper: bytes) -> Place | None:
    """None when the channel or its key is no longer there."""
    for channel in snapshot.channels:
        if channel.id == response.channel and OPERATION in channel.endpoints:
            for secret in range(len(channel.secrets)) if channel.secrets else (-1,):
                if secret_digest(channel, secret, pepper) == response.secret_digest:
                    return Place(channel, secret)
    return None
