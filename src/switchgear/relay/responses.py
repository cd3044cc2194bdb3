"""The state of the Responses dialect, as one call meets it: what it goes on from, and who may answer it.

A response that an upstream keeps is known there only: whatever names it goes to the channel and key that made
it. A response that is kept here goes on at any upstream, as its history is put before the new input.
"""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import (
    CHANNELS_COOLING,
    CONTEXT_TOO_LONG,
    INVALID_VALUE,
    OVERLOADED,
    PREVIOUS_UNKNOWN,
    STORE_AWAY,
    UNSUPPORTED_PARAMETER,
    ApiError,
)
from switchgear.kernel.limits import BACKGROUND_CALLS_MAX, RESPONSE_CALL_TIMEOUT_S, RESPONSE_ID_CHARS_MAX
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import FindResponse, ResponseFound, ResponseUnknown, WorkerCall
from switchgear.relay.metrics import Meters
from switchgear.relay.place import OPERATION, place_of, secret_digest
from switchgear.relay.plan import Candidate
from switchgear.relay.view import View
from switchgear.wire.call import Call
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.splice import NULL
from switchgear.wire.openai_responses.kept import items_of, own_references, with_items
from switchgear.wire.openai_responses.stored import expand_history
from switchgear.wire.openai_responses.values import flag_of, text_of

Ask = Callable[[WorkerCall, float], Awaitable[object]]
"""Asks the controller, within so many seconds. Raises ConnectionError."""
Runs = Literal["with_client", "here", "upstream"]
"""Where a call runs: with its client waiting, or in the background of this relay or of the upstream."""


class Ground(msgspec.Struct, frozen=True):
    """A call, ready to be prepared, with the state that it stands on."""

    call: Call
    candidates: tuple[Candidate, ...]
    own: dict[str, Raw]
    """The body with its own input only, all references to items resolved."""
    previous_id: str = ""
    """Of a response kept here."""
    keeps: bool = False
    runs: Runs = "with_client"


class Responses:
    """What one worker has to do with kept responses."""

    def __init__(
        self, ask: Ask, pepper: Callable[[], bytes], meters: Meters, clock: Clock, epoch: str
    ) -> None:
        """``pepper``: the installation's secret, known once the controller was met."""
        self.ask = ask
        self.pepper = pepper
        self.meters = meters
        self.clock = clock
        self.epoch = epoch
        self.in_background = 0
        """Calls of this worker that run, or are followed, without their clients."""

    async def find(self, id: str, owner: str, *, with_turns: bool = False) -> ResponseFound | ResponseUnknown:
        """A kept response. Raises ApiError ``store_away``."""
        if len(id) > RESPONSE_ID_CHARS_MAX:
            return ResponseUnknown(id[:RESPONSE_ID_CHARS_MAX])
        try:
            answer = await self.ask(FindResponse(id, owner, with_turns), RESPONSE_CALL_TIMEOUT_S)
        except ConnectionError:
            answer = None
        if isinstance(answer, ResponseFound | ResponseUnknown):
            return answer
        raise ApiError(
            STORE_AWAY, "Stored responses can't be looked up right now. Please try again.", retry_after_s=1
        )

    async def ground(self, call: Call, candidates: tuple[Candidate, ...], view: View, owner: str) -> Ground:
        """What a call stands on. Raises ApiError for a state that is not there or can't be gone on from."""
        fields = call.fields
        previous = text_of(fields, "previous_response_id")
        if call.in_path.verb == "compact" or fields.get("conversation", NULL) != NULL:
            candidates = _only_stateful(candidates, call, bool(previous))
        own, previous_id = fields, ""
        turns: tuple[tuple[bytes, bytes], ...] = ()
        if previous:
            found = await self._previous(previous, owner)
            if found.response.channel:
                candidates = self._sticky(candidates, found.response, view, call)
            else:
                turns, previous_id = found.turns, previous
        if b'"item_reference"' in bytes(fields.get("input", NULL)):
            own = await self._resolved(fields, turns, owner)
        if turns or own is not fields:
            said = [(items_of(asked), items_of(answered)) for asked, answered in turns]
            call = _with_fields(call, expand_history(own, said) if turns else own)
        keeps = fields.get("store") != Raw(b"false") and not call.in_path.verb
        runs: Runs = "with_client"
        if flag_of(fields, "background") and not call.in_path.verb:
            runs, candidates = self._background(candidates, keeps, view)
        keeps = keeps and (view.snapshot.keeps_responses or runs == "upstream")
        return Ground(call, candidates, own, previous_id, keeps, runs)

    async def _previous(self, id: str, owner: str) -> ResponseFound:
        found = await self.find(id, owner, with_turns=True)
        if isinstance(found, ResponseUnknown):
            if found.too_long:
                raise ApiError(
                    CONTEXT_TOO_LONG,
                    f"The conversation before response '{id}' is too long to continue.",
                    param="previous_response_id",
                )
            raise _previous_unknown(found.id)
        kept_here = not found.response.channel
        if kept_here and (found.response.is_open or found.response.status in ("failed", "cancelled")):
            raise ApiError(
                INVALID_VALUE,
                f"Response '{id}' is {found.response.status}; only a completed response can be continued.",
                param="previous_response_id",
            )
        return found

    def _sticky(
        self, candidates: tuple[Candidate, ...], kept: StoredResponse, view: View, call: Call
    ) -> tuple[Candidate, ...]:
        """The candidates that know the response: one at most. Raises ApiError when there is none."""
        pepper = self.pepper()
        chosen = tuple(
            candidate
            for candidate in candidates
            if candidate.channel.id == kept.channel
            and candidate.operations[0] == OPERATION
            and secret_digest(candidate.channel, candidate.secret, pepper) == kept.secret_digest
        )
        if chosen:
            return chosen
        place = place_of(view.snapshot, kept, pepper)
        if place is None:
            raise _previous_unknown(kept.id)
        if call.model not in place.channel.models:
            raise ApiError(
                INVALID_VALUE,
                f"The upstream that keeps the response '{kept.id}' does not serve the model '{call.model}'.",
                param="model",
            )
        raise ApiError(
            CHANNELS_COOLING,
            f"The upstream that keeps response '{kept.id}' is busy or cooling down. Please try again.",
            retry_after_s=5,
        )

    async def _resolved(
        self, fields: dict[str, Raw], turns: tuple[tuple[bytes, bytes], ...], owner: str
    ) -> dict[str, Raw]:
        """The body with references to kept items replaced by them; others stay, for the upstream to know."""
        items = [item for turn in turns for array in turn for item in items_of(array)]
        for id in own_references(fields):
            found = await self.find(id, owner)
            if isinstance(found, ResponseFound) and not found.response.channel:
                items += items_of(found.response.output_items)
        return with_items(fields, items) if items else fields

    def _background(
        self, candidates: tuple[Candidate, ...], keeps: bool, view: View
    ) -> tuple[Runs, tuple[Candidate, ...]]:
        """Where a background call runs, and the candidates for that. Raises ApiError."""
        if not keeps:
            raise ApiError(INVALID_VALUE, "Background mode requires store=true.", param="background")
        if self.in_background >= BACKGROUND_CALLS_MAX:
            raise ApiError(OVERLOADED, "Too many calls run in the background here.", retry_after_s=30)
        able = tuple(candidate for candidate in candidates if _state(candidate) == "background")
        converting = tuple(
            msgspec.structs.replace(candidate, operations=ways)
            for candidate in candidates
            if (ways := tuple(way for way in candidate.operations if way != OPERATION))
        )
        if able and (_state(candidates[0]) == "background" or not converting):
            return "upstream", able
        if converting and view.snapshot.keeps_responses:
            return "here", converting
        raise ApiError(
            UNSUPPORTED_PARAMETER, "This model can't be called in the background here.", param="background"
        )


def _state(candidate: Candidate) -> str:
    """What the candidate keeps of what passes through to it."""
    return candidate.channel.responses_state if candidate.operations[0] == OPERATION else "none"


def _only_stateful(candidates: tuple[Candidate, ...], call: Call, previous: bool) -> tuple[Candidate, ...]:
    """For what only an upstream with a state of its own can do."""
    chosen = tuple(candidate for candidate in candidates if _state(candidate) != "none")
    if call.in_path.verb == "compact":
        what, param = "/responses/compact is", None
    else:
        what, param = "'conversation' is", "conversation"
        if previous:
            raise ApiError(
                INVALID_VALUE, "Give 'previous_response_id' or 'conversation', not both.", param=param
            )
    if not chosen:
        raise ApiError(
            UNSUPPORTED_PARAMETER,
            f"{what} not available for the model '{call.shown_model}': its upstream keeps no state.",
            param=param,
        )
    return chosen


def _with_fields(call: Call, fields: dict[str, Raw]) -> Call:
    """The same call with another body, counted anew."""
    counted = DIALECT_OF_OPERATION[call.operation].read_call(call.operation, fields, call.model, call.in_path)
    return msgspec.structs.replace(counted, asked=call.fields, alias=call.alias, wish=call.wish)


def _previous_unknown(id: str) -> ApiError:
    return ApiError(
        PREVIOUS_UNKNOWN,
        f"Previous response with id '{id[:RESPONSE_ID_CHARS_MAX]}' not found.",
        param="previous_response_id",
    )
