"""Where clients put their API key, and how they write it: every known place works on every route."""

import re
from collections.abc import Iterator

from switchgear.kernel.errors import NO_KEY, ApiError
from switchgear.kernel.ids import KEY_LENGTH
from switchgear.relay.http import Inbound
from switchgear.relay.query import query_fields

_SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
_SCHEMES = frozenset(("bearer", "token", "key", "apikey", "api-key"))
_PLACEHOLDERS = frozenset(("", "undefined", "null", "none", "nil", "false", "[object object]", "nan"))
"""What scripts write for a variable that is not set."""
_OWN_FORM = re.compile(rf"sk-[0-9A-Za-z]{{{KEY_LENGTH}}}")
_ASKS = (("www-authenticate", "Bearer"),)
_QUOTES = "\"'`"


def api_key_of(request: Inbound) -> str:
    """The key as sent, without its scheme, quotes and blanks. Of several, the first that has the form of our
    own keys, else the first. Raises ApiError ``no_key`` when there is none."""
    first = ""
    for sent in _sent(request):
        if "," in sent:  # two readers could take different ones
            raise ApiError(NO_KEY, "More than one API key was sent in one header. Send one.", headers=_ASKS)
        key = _bare(sent)
        if _OWN_FORM.fullmatch(key):
            return key
        first = first or key
    if not first:
        raise ApiError(
            NO_KEY,
            "You didn't provide an API key. Send it in an Authorization header using Bearer auth "
            "(Authorization: Bearer YOUR_KEY).",
            headers=_ASKS,
        )
    return first


def _sent(request: Inbound) -> Iterator[str]:
    """Every credential of a request, in the order in which they count."""
    if (authorization := request.header("authorization")) and _names_key(authorization):
        yield authorization
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if value := request.header(name):
            yield value
    if value := _from_query(request.query):
        yield value
    if value := _from_subprotocol(request.header("sec-websocket-protocol")):
        yield value


def _names_key(authorization: str) -> bool:
    """Whether the header holds a key, and not a login of another scheme."""
    words = authorization.split(None, 1)
    return len(words) < 2 or words[0].rstrip(":").lower() in _SCHEMES or words[0][0] in _QUOTES


def _bare(sent: str) -> str:
    """Without a scheme, which some write twice, and without quotes around any of it; empty for a
    placeholder."""
    key = sent.strip().strip(_QUOTES).strip()
    while (words := key.split(None, 1)) and words[0].rstrip(":").lower() in _SCHEMES:
        key = words[1].strip().strip(_QUOTES).strip() if len(words) > 1 else ""
    return "" if key.lower() in _PLACEHOLDERS else key


def _from_query(query: str) -> str | None:
    if "key=" not in query:
        return None
    return next((value for name, value in query_fields(query) if name == "key"), None)


def _from_subprotocol(value: str | None) -> str | None:
    if not value:
        return None
    items = (item.strip() for item in value.split(","))
    return next(
        (item.removeprefix(_SUBPROTOCOL_PREFIX) for item in items if item.startswith(_SUBPROTOCOL_PREFIX)),
        None,
    )
