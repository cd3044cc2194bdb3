"""What is read of a whole reply that passes through."""

from typing import Any

import msgspec

from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.frames import is_given, read_block, read_message
from switchgear.wire.anthropic_messages.usage import UsageReader, read_usage
from switchgear.wire.call import Operation
from switchgear.wire.faults.failed_finishes import failure_of, is_failed
from switchgear.wire.faults.upstream_error import UpstreamError, has_error, upstream_error_of
from switchgear.wire.framing.splice import any_of


class WholeReply(msgspec.Struct, frozen=True):
    """A reply of status 200. With ``error`` it is no answer and nothing else counts."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    """It holds no content and no reason for that."""

    def calls(self) -> dict[str, int]:
        """Of hosted tools, by unit; decoded only when asked for."""
        message = read_message(self.body)
        reader = UsageReader()
        for block in (message.content if message else None) or ():
            reader.see_block(block)
        return reader.calls

    def text(self) -> str:
        """What the model wrote, for an estimate; decoded only when asked for."""
        message = read_message(self.body)
        texts: list[str] = []
        for raw in (message.content if message else None) or ():
            block = read_block(raw)
            texts += [text for text in (block.text, block.thinking, block.name) if text]
            if is_given(block.input):
                texts.append(bytes(block.input).decode("utf-8", "replace"))
        return "".join(texts)


def read_reply(operation: Operation, body: bytes) -> WholeReply:
    """Never raises: what is not an answer comes back as ``error``."""
    message = read_message(body)
    if message is None:
        return WholeReply(body, error=error_of(body))
    if operation == "anthropic_count_tokens":
        return _read_count(body)
    if is_given(message.error) or message.type == "error" or message.content is None:
        error = error_of(body)
        return WholeReply(body, error=failed(error, body)) if error else WholeReply(body, empty=True)
    usage = read_usage(message.usage, message.content) if is_given(message.usage) else None
    if message.stop_reason and is_failed(message.stop_reason):
        return WholeReply(body, usage, failure_of(message.stop_reason))
    return WholeReply(body, usage, empty=not message.content and not message.stop_reason)


def _read_count(body: bytes) -> WholeReply:
    found: Any = any_of(body)
    if isinstance(found, dict) and isinstance(found.get("input_tokens"), int):
        return WholeReply(body)
    return WholeReply(body, error=error_of(body), empty=True)


def failed(error: UpstreamError, body: bytes) -> UpstreamError:
    """The error with the usage that stands beside it."""
    return UsageReader().fail(error, any_of(body))


def error_of(body: bytes) -> UpstreamError | None:
    """The error in a reply that holds no answer; None when it is none either."""
    found: Any = any_of(body)
    if found is None:
        return UpstreamError("transient", 200, "the answer is not JSON", "server_error")
    if has_error(found) or (isinstance(found, dict) and found.get("type") == "error"):
        return upstream_error_of(200, found)
    return None
