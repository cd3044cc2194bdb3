"""Who calls, and whether they may: everything that can refuse a call before money is held."""

from collections.abc import Mapping

import msgspec

from switchgear.catalog.price import Price, unpriced_calls
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import (
    CONCURRENCY,
    IP_NOT_ALLOWED,
    MODEL_NOT_ALLOWED,
    MODEL_UNKNOWN,
    MODEL_UNPRICED,
    RATE_REQUESTS,
    RATE_TOKENS,
    TOOL_UNPRICED,
    ApiError,
    ErrorRow,
)
from switchgear.link.snapshot import ModelView, Principal, Snapshot
from switchgear.relay.addresses import Network, client_address
from switchgear.relay.credentials import api_key_of
from switchgear.relay.directory import Directory, KnownKey, check_key
from switchgear.relay.http import Inbound
from switchgear.relay.limiter import RateTable, State
from switchgear.relay.replies import limit_headers
from switchgear.wire.call import Call


class Caller(msgspec.Struct, frozen=True, gc=False):
    """A key that may call, and where from."""

    known: KnownKey
    client_ip: str

    @property
    def principal(self) -> Principal:
        return self.known.principal


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a model is and costs for this caller."""

    model: ModelView
    price: Price
    ratio_ppm: int


async def identify(
    request: Inbound, directory: Directory, trusted: tuple[Network, ...], clock: Clock
) -> Caller:
    """The caller of a request. Raises ApiError when the key is missing, wrong, disabled, expired or
    elsewhere."""
    api_key = api_key_of(request)
    known = directory.cached(api_key) or await directory.find(api_key)
    check_key(known, clock.now_ms())
    address = client_address(request.peer_ip, request.header("x-forwarded-for") if trusted else None, trusted)
    if not known.allows(address):
        principal = known.principal
        raise ApiError(
            IP_NOT_ALLOWED,
            f"API key {principal.key_masked} ('{principal.key_name}') is not allowed from address {address}.",
        )
    return Caller(known, address)


def terms_for(snapshot: Snapshot, caller: Caller, model: str) -> Terms:
    """What the caller may have the model for. Raises ApiError when the key may not use it, nobody serves it,
    or it has no price."""
    principal = caller.principal
    if caller.known.allowed_models and model not in caller.known.allowed_models:
        raise ApiError(
            MODEL_NOT_ALLOWED,
            f"API key '{principal.key_name}' ({principal.key_masked}) may not use the model '{model}'.",
            param="model",
        )
    view = snapshot.models.get(model)
    if view is None:
        raise ApiError(
            MODEL_UNKNOWN, f"The model '{model}' does not exist or is not served here.", param="model"
        )
    price = snapshot.prices.get(model)
    if price is None:
        raise ApiError(
            MODEL_UNPRICED,
            f"The model '{model}' has no price, so it is refused until the operator sets one.",
            param="model",
        )
    return Terms(view, price, snapshot.groups.get(principal.group, 1_000_000))


def check_tools(terms: Terms, calls: Mapping[str, int]) -> None:
    """Raises ApiError when a request offers a tool that the upstream runs, by unit of ``calls``, and the
    model has no price for it: it would be free by accident."""
    if not calls or not terms.ratio_ppm:
        return
    missing = unpriced_calls(terms.price, calls)
    if missing:
        tool = _TOOL_OF_UNIT.get(missing[0], "this tool")
        raise ApiError(
            TOOL_UNPRICED,
            f"The model '{terms.price.model}' has no price for {tool} ('{missing[0]}'), so a request that "
            "offers it is refused. Leave the tool out, or ask the operator to set a price.",
            param="tools",
        )


_TOOL_OF_UNIT = {
    "calls": "a tool that its vendor runs",
    "search_calls": "web search",
    "file_search_calls": "file search",
    "code_sessions": "running code",
    "image_calls": "image generation",
}


def may_use(known: KnownKey, snapshot: Snapshot, model: str) -> bool:
    """Whether a key's model list shows this model: allowed, priced, and served to its group."""
    if known.allowed_models and model not in known.allowed_models:
        return False
    group = known.principal.group
    return model in snapshot.prices and any(
        group in channel.groups and model in channel.models for channel in snapshot.channels
    )


def take_permit(limiter: RateTable, caller: Caller, dialect: DialectName, clock: Clock) -> State:
    """Counts the call against the key's limits, before its body is read. Raises ApiError with the limit
    headers when one is reached."""
    state = limiter.admit(caller.principal, 0, clock.monotonic_ns())
    return _let_in(state, caller, dialect, clock)


def take_tokens(limiter: RateTable, caller: Caller, call: Call, state: State, clock: Clock) -> State:
    """Counts the tokens of a call that has its permit. Raises as ``take_permit``."""
    principal, permit = caller.principal, state.permit
    if not principal.tpm or permit is None:
        return state
    tokens = call.input_bytes // 4 + (call.output_tokens_cap or 0)
    state = limiter.take_tokens(principal, permit, tokens, clock.monotonic_ns())
    return _let_in(state, caller, call.dialect, clock)


def _let_in(state: State, caller: Caller, dialect: DialectName, clock: Clock) -> State:
    principal, refused = caller.principal, state.refused
    if refused is None:
        return state
    row, unit = _LIMITS[refused.kind]
    raise ApiError(
        row,
        f"Rate limit reached for API key '{principal.key_name}' ({principal.key_masked}): "
        f"{refused.limit} {unit}. Please try again in {max(1, -(-refused.retry_ns // 1_000_000_000))}s.",
        retry_after_s=max(1, -(-refused.retry_ns // 1_000_000_000)),
        headers=tuple(limit_headers(state, dialect, clock.now_ms())),
    )


_LIMITS: dict[str, tuple[ErrorRow, str]] = {
    "requests": (RATE_REQUESTS, "requests per minute"),
    "tokens": (RATE_TOKENS, "tokens per minute"),
    "calls": (CONCURRENCY, "calls at the same time"),
}
