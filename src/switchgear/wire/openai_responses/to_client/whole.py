"""The response object: what was asked, repeated, around what was answered.

Clients read it strictly, so every key is there whatever was said.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL, BadJson, read_object, write_object
from switchgear.wire.openai_responses.to_client.parts import one_line

_encode = msgspec.json.Encoder().encode
_EMPTY_OBJECT = Raw(b"{}")
_FALSE = Raw(b"false")
_TRUE = Raw(b"true")


def _unset(*defaults: tuple[str, Raw]) -> dict[str, bytes]:
    """Key → its member of the object where nothing was said."""
    return {key: b',"%b":%b' % (key.encode(), bytes(value)) for key, value in defaults}


_BEFORE_OUTPUT = _unset(
    ("instructions", NULL),
    ("max_output_tokens", NULL),
    ("max_tool_calls", NULL),
)
_AFTER_OUTPUT = _unset(
    ("parallel_tool_calls", _TRUE),
    ("previous_response_id", NULL),
    ("prompt_cache_key", NULL),
    ("safety_identifier", NULL),
    ("store", _TRUE),
    ("temperature", Raw(b"1.0")),
    ("tool_choice", Raw(b'"auto"')),
    ("tools", Raw(b"[]")),
    ("top_logprobs", Raw(b"0")),
    ("top_p", Raw(b"1.0")),
    ("truncation", Raw(b'"disabled"')),
    ("user", NULL),
    ("metadata", _EMPTY_OBJECT),
)
_REASONING = {"effort": NULL, "summary": NULL}
_TEXT = {"format": Raw(b'{"type":"text"}'), "verbosity": Raw(b'"medium"')}


class ResponseObject:
    """One response at any time of its life. ``fields``: the request as the client sent it."""

    __slots__ = ("_after", "_before", "_front", "id")

    def __init__(self, id: str, model: str, created_s: int, fields: Mapping[str, Raw]) -> None:
        self.id = f"resp_{id.removeprefix('resp_')}"
        self._front = b'{"id":%b,"object":"response","created_at":%d' % (_encode(self.id), created_s)
        self._before = b',"background":%b%b,"model":%b' % (
            _said(fields.get("background"), _FALSE),
            _settings(_BEFORE_OUTPUT, fields),
            _encode(model),
        )
        after = [("reasoning", _completed(fields.get("reasoning"), _REASONING))]
        after.append(("text", _completed(fields.get("text"), _TEXT)))
        after.append(("service_tier", _tier(fields.get("service_tier"))))
        if (conversation := fields.get("conversation", NULL)) != NULL:
            after.append(("conversation", _conversation(conversation)))
        self._after = _settings(_AFTER_OUTPUT, fields) + _members(after)

    def render(
        self,
        status: str,
        output: Iterable[bytes] = (),
        usage: Raw = NULL,
        error: bytes = b"null",
        incomplete: str = "",
    ) -> bytes:
        """In one line. ``error``: an object with code and message; ``incomplete``: why the answer is not
        whole."""
        details = b'{"reason":"%b"}' % incomplete.encode() if incomplete else b"null"
        return b'%b,"status":"%b","error":%b,"incomplete_details":%b%b,"output":[%b]%b,"usage":%b}' % (
            self._front,
            status.encode(),
            error,
            details,
            self._before,
            b",".join(output),
            self._after,
            bytes(usage),
        )


def _said(raw: Raw | None, default: Raw) -> bytes:
    return bytes(default) if raw is None or raw == NULL else one_line(raw)


def _settings(unset: Mapping[str, bytes], fields: Mapping[str, Raw]) -> bytes:
    """Members of the object, as the client set them or not."""
    members = {**unset}
    for key in unset.keys() & fields.keys():
        if fields[key] != NULL:
            members[key] = b',"%b":%b' % (key.encode(), one_line(fields[key]))
    return b"".join(members.values())


def _members(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(b',"%b":%b' % (key.encode(), value) for key, value in pairs)


def _completed(raw: Raw | None, defaults: dict[str, Raw]) -> bytes:
    """An object with all of its keys."""
    said: dict[str, Raw] = {}
    if raw is not None and raw != NULL:
        try:
            said = read_object(bytes(raw))
        except BadJson:
            said = {}
    filled = {key: said.get(key, value) for key, value in defaults.items()}
    if filled.get("format") == NULL:
        filled["format"] = defaults["format"]
    if filled.get("verbosity") == NULL:
        filled["verbosity"] = defaults["verbosity"]
    return one_line(write_object({**said, **filled}))


def _tier(raw: Raw | None) -> bytes:
    return b'"default"' if raw is None or raw in (NULL, Raw(b'"auto"')) else one_line(raw)


def _conversation(raw: Raw) -> bytes:
    return b'{"id":%b}' % bytes(raw) if memoryview(raw)[0] == 0x22 else one_line(raw)
