"""A whole reply that passes through."""

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import Usage
from switchgear.wire.faults.upstream_error import UpstreamError, broken, counted, has_error, upstream_error_of
from switchgear.wire.framing.splice import NULL, any_of
from switchgear.wire.openai_responses.frames import error_of, read_response
from switchgear.wire.openai_responses.hosted_calls import CallCounter
from switchgear.wire.openai_responses.usage import usage_in


class WholeReply(msgspec.Struct, frozen=True):
    """A reply of status 200. See ``wire.dialect.Reply``."""

    body: bytes
    usage: Usage | None = None
    error: UpstreamError | None = None
    empty: bool = False
    response_id: str = ""

    def calls(self) -> dict[str, int]:
        """Decoded only when asked for."""
        response = read_response(self.body)
        return CallCounter((response and response.output) or ()).calls

    def text(self) -> str:
        """Decoded only when asked for."""
        texts: list[str] = []
        _gather_texts(any_of(self.body), texts)
        return "".join(texts)


def read_reply(body: bytes) -> WholeReply:
    """Never raises: what is not an answer comes back as ``error``."""
    response = read_response(body)
    if response is None:
        return WholeReply(body, error=broken("the answer is not JSON"))
    if response.error not in (NULL, Raw(b"{}")) or response.status in ("failed", "cancelled"):
        reason = error_of(response.error) if response.error != NULL else broken("the response failed")
        return WholeReply(body, error=counted(reason, usage_in(response, CallCounter())))
    if response.output is None:
        found = any_of(body)
        if has_error(found):
            error = counted(upstream_error_of(200, found), usage_in(response, CallCounter()))
            return WholeReply(body, error=error)
    # An answer in the background has said nothing yet, and one that a filter stopped nothing at all.
    empty = not response.output and response.status in ("completed", None)
    return WholeReply(body, usage_in(response, CallCounter()), None, empty, response.id or "")


def _gather_texts(found: object, texts: list[str]) -> None:
    """Texts of parts, arguments and inputs of the output items."""
    if isinstance(found, list):
        for item in found:
            _gather_texts(item, texts)
    elif isinstance(found, dict):
        for key in ("output", "content", "summary"):
            if isinstance(found.get(key), list):
                _gather_texts(found[key], texts)
        for key in ("text", "refusal", "name", "arguments", "input", "code"):
            if isinstance(text := found.get(key), str):
                texts.append(text)
