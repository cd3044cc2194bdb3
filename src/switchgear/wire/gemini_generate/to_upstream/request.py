"""A request in the neutral form as the fields of this dialect."""

import msgspec
from msgspec import Raw

from switchgear.wire.convert.stop_cut import share_stops
from switchgear.wire.gemini_generate.to_upstream.config import STOPS_MAX, write_config
from switchgear.wire.gemini_generate.to_upstream.tools import names_of, renamed, write_choice, write_tools
from switchgear.wire.gemini_generate.to_upstream.turns import write_contents
from switchgear.wire.neutral.request import Request, Upstream, Written

_TIERS = {"default": "standard", "standard_only": "standard", "auto": ""}
_encode = msgspec.json.Encoder().encode


def write_request(request: Request, upstream: Upstream) -> Written:
    """The model and whether it is to be a stream stand in the path. Raises ApiError for content that can't be
    carried."""
    names = names_of(request)
    contents, system = write_contents(request, upstream, names)
    config, dropped, instruction = write_config(request, upstream)
    tools, lost = write_tools(request, upstream, names)
    if instruction:
        system.append({"text": instruction})
    body = {"contents": _raw(contents)}
    if system:
        body["systemInstruction"] = _raw({"parts": system})
    if config:
        body["generationConfig"] = _raw(config)
    if tools:
        body["tools"] = _raw(tools)
    has_functions = any("functionDeclarations" in tool for tool in tools)
    if (choice := write_choice(request, upstream, names, has_functions)) is not None:
        body["toolConfig"] = _raw(choice)
    if request.safety is not None:
        body["safetySettings"] = request.safety
    if tier := _TIERS.get(request.service_tier, request.service_tier):
        body["serviceTier"] = _raw(tier)
    _, cut = share_stops(request.stop, upstream.facts, STOPS_MAX)
    return Written(body, tuple(dict.fromkeys((*dropped, *lost))), names=renamed(request, names), stops=cut)


def _raw(value: object) -> Raw:
    return Raw(_encode(value))
