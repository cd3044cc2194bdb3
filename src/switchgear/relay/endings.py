"""Answers that ended otherwise than they should: how they are booked, and what the client is told."""

from switchgear.kernel.errors import UPSTREAM_CUT, UPSTREAM_ERROR, UPSTREAM_STALLED, ApiError
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import EndState
from switchgear.link.snapshot import ChannelView
from switchgear.relay.attempt import Fault, transport_fault, upstream_sentence
from switchgear.relay.redact import redact_error
from switchgear.relay.stream import StreamEnd
from switchgear.wire.dialect import Tap
from switchgear.wire.faults.upstream_error import to_api_error

END_STATES: dict[str, tuple[EndState, str]] = {
    "cut": ("upstream_cut", UPSTREAM_CUT.name),
    "stalled": ("stalled", UPSTREAM_STALLED.name),
    "error": ("upstream_error", UPSTREAM_ERROR.name),
}


def empty_answer(status: int, usage: Usage | None) -> Fault:
    """``usage``: that it reports all the same."""
    error = ApiError(UPSTREAM_ERROR, "The upstream sent an empty answer.")
    return Fault("empty", error, status, try_next=True, usage=usage)


def uncommitted(end: StreamEnd, tap: Tap, status: int) -> Fault:
    """Of a stream that broke off before its first content. What its start announced is no report: only a
    failure that counts itself, or an end, is."""
    if end.fault is not None:
        return transport_fault(end.fault)
    if end.state == "complete":
        return empty_answer(status, tap.usage)
    return Fault("truncated", upstream_sentence(UPSTREAM_CUT), status, try_next=True)


def shown_error(end: StreamEnd, tap: Tap, channel: ChannelView) -> ApiError:
    if end.state == "error" and tap.fault is not None:
        return to_api_error(redact_error(tap.fault, channel))
    if end.state == "error":
        return upstream_sentence(UPSTREAM_ERROR)
    return upstream_sentence(UPSTREAM_STALLED if end.state == "stalled" else UPSTREAM_CUT)
