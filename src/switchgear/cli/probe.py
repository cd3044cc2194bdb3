"""One tiny call to an upstream, as the relay would send it: does the channel work?"""

import asyncio
import time
from urllib.parse import quote

import msgspec

from switchgear.cli.offers import credentials_of, models_of
from switchgear.kernel.config import ChannelConfig
from switchgear.kernel.dialects import DIALECTS, MODEL_SLOT
from switchgear.kernel.home import Home
from switchgear.kernel.limits import CONNECT_TIMEOUT_S, ERROR_BODY_BYTES_MAX, PROBE_TIMEOUT_S, PROBES_MAX
from switchgear.link.protocol import LocalAddress, LocalEndpoint
from switchgear.link.unix import LinkAway, call_once
from switchgear.net.choose import RoutedTransport
from switchgear.net.transport import Timeouts, Transport, TransportFault, UpstreamRequest
from switchgear.net.transport_lean import LeanTransport
from switchgear.relay.redact import redact
from switchgear.store.channels import ChannelRow
from switchgear.vendors.channel import BaseUrlError, resolve
from switchgear.vendors.schema import Vendor
from switchgear.vendors.shipped import Shipped
from switchgear.wire.faults.scrub import scrub

_TIMEOUTS = Timeouts(CONNECT_TIMEOUT_S, PROBE_TIMEOUT_S, PROBE_TIMEOUT_S, PROBE_TIMEOUT_S)
_ERROR_CHARS = 200
_MESSAGES_TOKENS = 16
"""The Messages dialect wants a cap in every request."""
_VERBS = {"gemini_generate": ":generateContent", "gemini_embed": ":embedContent"}


class Probe(msgspec.Struct, frozen=True):
    """What one call showed; ``error`` is empty when the upstream answered it."""

    channel: str
    model: str
    status: int
    """HTTP status; 0 when no answer came."""
    ms: int
    error: str = ""


async def probe_all(home: Home, rows: list[ChannelRow], data: Shipped) -> list[Probe]:
    """Tries all channels, a few at a time, through the proxies of this environment; never raises for what an
    upstream does."""
    transport = RoutedTransport(LeanTransport(), _other_transport)
    gate = asyncio.Semaphore(PROBES_MAX)

    async def one(row: ChannelRow) -> Probe:
        async with gate:
            return await _probe(home, transport, row.config, data)

    try:
        return list(await asyncio.gather(*(one(row) for row in rows)))
    finally:
        await transport.close()


def _other_transport() -> Transport:
    """Imported when first needed, as few channels are behind a proxy."""
    from switchgear.net.transport_pyreqwest import PyreqwestTransport

    return PyreqwestTransport()


async def _probe(home: Home, transport: Transport, channel: ChannelConfig, data: Shipped) -> Probe:
    model = next(iter(models_of(channel, data)), "")
    vendor = data.vendors.get(channel.vendor)
    if vendor is None or not model:
        return Probe(channel.name, model, 0, 0, "unknown vendor" if vendor is None else "it serves no model")
    begun = time.monotonic()
    status, error = 0, ""
    try:
        request = await _request(home, channel, vendor, model, data)
        if isinstance(request, str):
            return Probe(channel.name, model, 0, 0, request)
        response = await transport.open(request, _TIMEOUTS)
        try:
            status = response.status
            body = await response.read(ERROR_BODY_BYTES_MAX)
            if status >= 400:
                error = _told(body, channel)
        finally:
            response.close()
    except (TransportFault, LinkAway, BaseUrlError, OSError) as fault:
        error = str(fault)
    return Probe(channel.name, model, status, round((time.monotonic() - begun) * 1000), error)


async def _request(
    home: Home, channel: ChannelConfig, vendor: Vendor, model: str, data: Shipped
) -> UpstreamRequest | str:
    """The request, or why there can be none."""
    base_url, secrets = channel.base_url or "", credentials_of(channel)
    if channel.keys_env is not None and not secrets:
        return f"the environment variable {channel.keys_env} is not set here"
    if vendor.embedded:
        answer = await call_once(home, LocalEndpoint(model), PROBE_TIMEOUT_S)
        if answer is None:
            return 'no server runs on this data folder; start one with "switchgear serve"'
        if not isinstance(answer, LocalAddress):
            return getattr(answer, "reason", "the embedded model did not start")
        base_url, secrets = answer.base_url, (answer.secret,)
    place = resolve(vendor, base_url, channel.dialects, channel.operations)
    operation = next((name for name in _operations(model, data) if name in place.endpoints), None)
    if operation is None:
        return "the channel has no endpoint for this model"
    fixed = (*place.headers, *place.headers_of.get(operation, ()), *channel.headers)
    headers = [("content-type", "application/json"), *dict(fixed).items()]
    auth_header, auth_prefix = place.auths.get(operation, (place.auth_header, place.auth_prefix))
    if secrets and auth_header:
        headers.append((auth_header, auth_prefix + secrets[0]))
    elif secrets:  # the embedded model asks for a secret of its own, whatever its vendor file says
        headers.append(("authorization", f"Bearer {secrets[0]}"))
    name = channel.model_map.get(model, _upstream_id(model, data))
    url = place.endpoints[operation].replace(MODEL_SLOT, quote(name, safe="/")) + _VERBS.get(operation, "")
    return UpstreamRequest("POST", url, tuple(headers), _body(operation, name))


def _operations(model: str, data: Shipped) -> tuple[str, ...]:
    """Where the model can be asked, its own operations first; a conversation has one in every dialect."""
    known = data.models.get(model)
    listed: tuple[str, ...] = known.endpoints if known else ("openai_chat", "openai_embeddings")
    return tuple(dict.fromkeys((*listed, *DIALECTS))) if set(listed) & set(DIALECTS) else listed


def _upstream_id(model: str, data: Shipped) -> str:
    known = data.models.get(model)
    return known.upstream_id if known and known.upstream_id else model


def _body(operation: str, model: str) -> bytes:
    """The smallest request that every vendor takes. No cap for chat, as some models refuse ``max_tokens``."""
    if operation == "openai_embeddings":
        return msgspec.json.encode({"model": model, "input": "ping"})
    if operation == "openai_completions":
        return msgspec.json.encode({"model": model, "prompt": "ping", "max_tokens": 1})
    if operation == "gemini_embed":
        return msgspec.json.encode({"content": {"parts": [{"text": "ping"}]}})
    if operation == "gemini_generate":
        return msgspec.json.encode({"contents": [{"role": "user", "parts": [{"text": "Say ok."}]}]})
    if operation == "openai_responses":
        return msgspec.json.encode({"model": model, "input": "Say ok.", "store": False})
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "Say ok."}]}
    if operation == "anthropic_messages":
        body["max_tokens"] = _MESSAGES_TOKENS
    return msgspec.json.encode(body)


def _told(body: bytes, channel: ChannelConfig) -> str:
    """The upstream's own words, short and on one line."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        told = body.decode(errors="replace")
    if isinstance(told, dict) and isinstance(error := told.get("error"), dict):
        told = error.get("message", told)
    words = redact(" ".join(str(told).split()), credentials_of(channel), channel.headers)
    return scrub(words)[:_ERROR_CHARS] or "an error without words"
