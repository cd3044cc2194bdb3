"""One answer of the Responses dialect on its way to being kept.

A call with its client goes ``coming → kept | not kept``; one in the background of this relay ``coming → begun
→ over``, of which the last is written whatever happens to the call. Only where its worker dies it is not;
then the controller tells the response as failed.
"""

import asyncio
import logging
from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INTERNAL, STORE_AWAY, ApiError
from switchgear.kernel.limits import (
    RESPONSE_CALL_TIMEOUT_S,
    RESPONSE_KEEP_TIMEOUT_S,
    RESPONSE_STORED_BYTES_MAX,
)
from switchgear.kernel.stored import ResponseStatus, StoredResponse
from switchgear.link.protocol import Failed, KeepResponse, Ok, ResponseUnknown
from switchgear.link.snapshot import Principal
from switchgear.relay.attempt import Exchange
from switchgear.relay.place import secret_digest
from switchgear.relay.responses import Ground, Responses, Runs
from switchgear.wire.openai_responses.errors import failure
from switchgear.wire.openai_responses.kept import Answered
from switchgear.wire.openai_responses.stored import stored_items, with_status

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode
_RESULT_TRIES = 10
"""For a result that no client waits for: about half a minute, in which a controller comes back."""
_RETRY_S = 3.0

log = logging.getLogger("switchgear.responses")


class Keeping:
    """Of one call."""

    def __init__(self, responses: Responses, ground: Ground, who: Principal, request_id: str) -> None:
        self._responses = responses
        self._ground = ground
        self._who = who
        self._request_id = request_id
        self._begun: StoredResponse | None = None
        self.error: ApiError | None = None
        """Why there is no answer, once that is known."""

    @property
    def id(self) -> str:
        """Of the response, where it is made here."""
        return f"resp_{self._request_id}"

    @property
    def owner(self) -> str:
        return self._who.user_id

    @property
    def runs(self) -> Runs:
        return self._ground.runs

    async def begin(self, queued: bytes, status: Literal["queued", "in_progress"]) -> None:
        """Keeps a response of which nothing is there yet. Raises ApiError: nobody could ask for it then."""
        row = self._row(self.id, status)
        row = msgspec.structs.replace(
            row,
            background=True,
            epoch=self._responses.epoch,
            input_items=self._input_items(self.id),
            response=queued,
        )
        if reason := await self._ask(KeepResponse(row), RESPONSE_CALL_TIMEOUT_S):
            raise ApiError(STORE_AWAY, f"The call can't be kept right now: {reason}.", retry_after_s=1)
        self._begun = row
        self._responses.in_background += 1

    async def keep(self, exchange: Exchange, answered: Answered | None) -> None:
        """Keeps an answer before its end is shown; for a short time, as the client waits. One that can't be
        kept goes out all the same."""
        if answered is None:
            self._count("no_id")
            return
        row = self.row(exchange, answered)
        if self._begun is None:
            await self._ask(KeepResponse(row), RESPONSE_KEEP_TIMEOUT_S)
        else:
            await self._change(row)

    def row(self, exchange: Exchange, answered: Answered) -> StoredResponse:
        """What is kept of an answer: all of it, or where it lies."""
        channel = exchange.candidate.channel
        row = self._row(answered.id, answered.status)
        if exchange.prepared.request is None and channel.responses_state != "none":
            digest = secret_digest(channel, exchange.candidate.secret, self._responses.pepper())
            return msgspec.structs.replace(
                row,
                channel=channel.id,
                secret_digest=digest,
                background=self.runs == "upstream",
                previous_id="",
            )
        return msgspec.structs.replace(
            row,
            background=self._begun is not None,
            input_items=self._input_items(answered.id),
            output_items=answered.output,
            response=answered.response,
        )

    async def close(self) -> None:
        """The call is over; one that was begun and has no answer has failed."""
        if self._begun is None:
            return
        begun, self._begun = self._begun, None
        self._responses.in_background -= 1
        error = self.error or ApiError(INTERNAL, "The call ended without an answer.")
        said = _decode(failure(error, self._request_id))
        failed = with_status(begun.response, "failed", said)
        await self._try_often(msgspec.structs.replace(begun, status="failed", response=failed))

    async def _change(self, row: StoredResponse) -> None:
        """Puts a begun response into its last state, unless it has been cancelled or deleted."""
        reason = await self._try_often(row)
        if not reason:
            self._begun = None
            self._responses.in_background -= 1
        elif self.error is None:
            self.error = ApiError(INTERNAL, f"The answer could not be kept: {reason}.")

    async def _try_often(self, row: StoredResponse) -> str:
        reason = ""
        for number in range(_RESULT_TRIES):
            if number:
                await asyncio.sleep(_RETRY_S)
            reason = await self._ask(KeepResponse(row, if_open=True), RESPONSE_CALL_TIMEOUT_S)
            if not reason or reason != _AWAY:
                break
        return reason

    async def _ask(self, body: KeepResponse, timeout_s: float) -> str:
        """Why it was not kept; empty when it was, or must not be any more."""
        if body.response.bytes_total > RESPONSE_STORED_BYTES_MAX:
            self._count("too_large")
            return "it is too large"
        try:
            answer = await self._responses.ask(body, timeout_s)
        except ConnectionError:
            answer = None
        if isinstance(answer, Ok | ResponseUnknown):
            return ""
        reason = answer.reason if isinstance(answer, Failed) else _AWAY
        self._count("refused" if isinstance(answer, Failed) else "away")
        log.warning("a response was not kept", extra={"request": self._request_id, "reason": reason})
        return reason

    def _count(self, reason: str) -> None:
        self._responses.meters.add(f"switchgear_responses_unkept_total|reason={reason}")

    def _row(self, id: str, status: ResponseStatus) -> StoredResponse:
        ground = self._ground
        return StoredResponse(
            id,
            self._who.user_id,
            self._who.key_id,
            ground.call.shown_model,
            self._responses.clock.now_ms(),
            status,
            ground.previous_id,
        )

    def _input_items(self, id: str) -> bytes:
        try:
            items: list[Raw] = stored_items(self._ground.own, id)
        except ApiError:
            return b"[]"  # an upstream took it as it is
        return _encode(items)


_AWAY = "the controller is away"
