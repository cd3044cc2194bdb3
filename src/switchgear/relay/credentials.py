"""Where clients put their API key: every known place works on every route."""

from urllib.parse import parse_qsl

from switchgear.kernel.errors import NO_KEY, ApiError
from switchgear.kernel.limits import QUERY_FIELDS_MAX
from switchgear.relay.http import Inbound

_SUBPROTOCOL_PREFIX = "openai-insecure-api-key."


def api_key_of(request: Inbound) -> str:
    """The key as sent, without its scheme. Raises ApiError ``no_key`` when there is none."""
    key = (
        _bearer(request.header("authorization"))
        or request.header("x-api-key")
        or request.header("x-goog-api-key")
        or request.header("api-key")
        or _from_query(request.query)
        or _from_subprotocol(request.header("sec-websocket-protocol"))
    )
    if not key or not key.strip():
        raise ApiError(
            NO_KEY,
            "You didn't provide an API key. Send it in an Authorization header using Bearer auth "
            "(Authorization: Bearer YOUR_KEY).",
            headers=(("www-authenticate", "Bearer"),),
        )
    return key.strip()


def _bearer(value: str | None) -> str | None:
    if not value:
        return None
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest
    return None if rest else scheme


def _from_query(query: str) -> str | None:
    if "key=" not in query:
        return None
    return next(
        (value for name, value in parse_qsl(query, max_num_fields=QUERY_FIELDS_MAX) if name == "key"), None
    )


def _from_subprotocol(value: str | None) -> str | None:
    if not value:
        return None
    items = (item.strip() for item in value.split(","))
    return next(
        (item.removeprefix(_SUBPROTOCOL_PREFIX) for item in items if item.startswith(_SUBPROTOCOL_PREFIX)),
        None,
    )
