"""Fields that requests carry for the relay's own sake, and upstreams that refuse them.

A client never sent them, so their refusal is not its fault: the same upstream is asked once more without the
field. Once it has answered so, the field is left out for that channel and model.
"""

from collections import OrderedDict

import msgspec

from switchgear.kernel.limits import REFUSED_FIELDS_KEEP_S, REFUSED_FIELDS_MAX
from switchgear.relay.attempt import Fault
from switchgear.relay.health import NS
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Prepared
from switchgear.wire.call import Operation
from switchgear.wire.faults.messages import names_field

Fields = tuple[tuple[Operation, str], ...]
_KINDS = ("client", "transient")
"""Some servers fail over a field that they don't know."""


class RefusedFields:
    """Of one worker. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[int, Fields]] = OrderedDict()
        """(channel, model) → when it was learned, and which."""

    def applied(self, candidates: tuple[Candidate, ...], now_ns: int) -> tuple[Candidate, ...]:
        """The candidates, each without the fields that its upstream refuses."""
        if not self._known:
            return candidates
        return tuple(self._apply(candidate, now_ns) for candidate in candidates)

    def remember(self, candidate: Candidate, now_ns: int) -> None:
        """This candidate answered without the fields that it had refused."""
        key = (candidate.channel.id, candidate.upstream_model)
        if key not in self._known:
            self._known[key] = (now_ns, candidate.left_out)
        while len(self._known) > REFUSED_FIELDS_MAX:
            self._known.popitem(last=False)

    def _apply(self, candidate: Candidate, now_ns: int) -> Candidate:
        key = (candidate.channel.id, candidate.upstream_model)
        if key not in self._known:
            return candidate
        learned_ns, fields = self._known[key]
        if now_ns - learned_ns > REFUSED_FIELDS_KEEP_S * NS:
            del self._known[key]
            return candidate
        return msgspec.structs.replace(candidate, left_out=fields)


def without_refused(candidate: Candidate, prepared: Prepared, fault: Fault) -> Candidate | None:
    """The candidate without the field of ours that it has just refused; None when it refused none."""
    said = fault.said
    if said is None or said.kind not in _KINDS:
        return None
    for field in prepared.dialect.own_fields(converted=prepared.request is not None):
        entry = (prepared.operation, field)
        if entry not in candidate.left_out and names_field(said.message, said.param, field):
            return msgspec.structs.replace(candidate, left_out=(*candidate.left_out, entry))
    return None
