"""The sign of life in a silent stream of this dialect: a piece of text with nothing in it.

A comment would do by the standard of server-sent events, but some clients read a stream line by line and fail
on a line that is no data; others take a delta without any key for the end.
"""

import msgspec

from switchgear.wire.call import Call

_encode = msgspec.json.Encoder().encode
_USAGE = b',"usage":null'


def heartbeat(call: Call, id: str, created_s: int) -> bytes:
    """A frame that adds nothing to the answer; ``id``: of the call, without the dialect's prefix."""
    if call.operation == "openai_completions":
        prefix, kind, piece = "cmpl-", b"text_completion", b'"text":""'
    else:
        prefix, kind, piece = "chatcmpl-", b"chat.completion.chunk", b'"delta":{"content":""}'
    return (
        b'data: {"id":%b,"object":"%b","created":%d,"model":%b%b,"choices":[{"index":0,%b,"logprobs":null,'
        b'"finish_reason":null}]}\n\n'
    ) % (
        _encode(prefix + id),
        kind,
        created_s,
        _encode(call.shown_model),
        _USAGE if call.include_usage else b"",
        piece,
    )
