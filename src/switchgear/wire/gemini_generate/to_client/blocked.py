"""Input that an upstream's filter refused, as Google tells it: an answer without candidates, not an error."""

import msgspec

from switchgear.kernel.errors import ApiError
from switchgear.wire.call import Call
from switchgear.wire.faults.upstream_error import is_blocked
from switchgear.wire.gemini_generate.to_client.framing import Framing

_encode = msgspec.json.Encoder().encode


def render_blocked(err: ApiError, call: Call, request_id: str) -> tuple[str, bytes] | None:
    """(content type, body) of a reply of status 200, streamed or whole as was asked; None for other errors.

    The upstream counted nothing, so no usage is told.
    """
    if call.operation != "gemini_generate" or not is_blocked(err):
        return None
    response = _encode(
        {
            "promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": err.message},
            "modelVersion": call.shown_model,
            "responseId": request_id,
        }
    )
    if not call.stream:
        return "application/json", response
    framing = Framing(call.in_path.array)
    body = framing.frame(response) + framing.end()
    return "application/json" if call.in_path.array else "text/event-stream", body
