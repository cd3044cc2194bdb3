"""A request body as JSON text: content codings are taken off in bounded steps, others are refused."""

import asyncio
from io import BytesIO

from switchgear.kernel.errors import (
    BAD_ENCODING,
    BAD_JSON,
    BODY_TOO_LARGE,
    UNSUPPORTED_ENCODING,
    UNSUPPORTED_MEDIA,
    ApiError,
)
from switchgear.kernel.limits import DECODED_STEP_BYTES_MAX, UNREAD_BODY_BYTES_MAX
from switchgear.net.lean_decode import BadEncoding, Inflater
from switchgear.relay.room import Holding

CODINGS = ("gzip", "deflate")
_ALIASES = {"x-gzip": "gzip"}


async def decode_body(body: bytes, coding: str, bytes_max: int, holding: Holding) -> bytes:
    """The body without its content coding; ``holding`` takes room for what it decodes to. Raises ApiError: an
    unknown coding, a broken body, one that decodes to more than ``bytes_max``, or no room for it."""
    name = coding.strip().lower()
    name = _ALIASES.get(name, name)
    if name in ("", "identity"):
        return body
    if name not in CODINGS:
        raise ApiError(
            UNSUPPORTED_ENCODING,
            f"The content encoding '{coding[:64]}' is not supported; "
            f"send the body as it is, or as {' or '.join(CODINGS)}.",
            headers=(("accept-encoding", ", ".join(CODINGS)),),
        )
    try:
        return await _inflate(body, Inflater(name), bytes_max, holding)
    except BadEncoding:
        raise ApiError(BAD_ENCODING, f"The request body is not valid {name} data.") from None


async def _inflate(body: bytes, inflater: Inflater, bytes_max: int, holding: Holding) -> bytes:
    """Fed in slices, as what is left of a feed is copied at each step; other calls run in between."""
    decoded = BytesIO()
    size = 0
    for start in range(0, len(body), DECODED_STEP_BYTES_MAX):
        inflater.feed(body[start : start + DECODED_STEP_BYTES_MAX])
        while piece := inflater.step():
            size += len(piece)
            if size > bytes_max:
                raise ApiError(BODY_TOO_LARGE, f"The request body decodes to more than {bytes_max} bytes.")
            decoded.write(piece)
            if size > max(holding.bytes, UNREAD_BODY_BYTES_MAX):
                await holding.grow(min(bytes_max, 2 * size) - holding.bytes)
        await asyncio.sleep(0)
    inflater.finish()
    return decoded.getvalue()


def blame_media_type(error: ApiError, content_type: str | None) -> ApiError:
    """A body that is no JSON and does not say that it is: the type is what is wrong with it."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if error.row is not BAD_JSON or not kind or kind == "application/json" or kind.endswith("+json"):
        return error
    return ApiError(
        UNSUPPORTED_MEDIA,
        f"The content type '{kind[:64]}' is not supported; send JSON as 'application/json'.",
    )
