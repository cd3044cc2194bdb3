"""How an upstream plays its part, whatever its dialect: the answer is refused, late, cut or said in full."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tests.sim.facts import Json
from tests.sim.script import Answer

if TYPE_CHECKING:
    from tests.sim.upstream import Exchange, Recorded

SLOW_FIRST_S = 1.5
MESSAGES = {
    400: "Invalid value.",
    401: "Incorrect API key provided.",
    403: "This key may not use the model.",
    404: "The model does not exist.",
    429: "Rate limit reached.",
    500: "The server had an error.",
    503: "The engine is currently overloaded.",
    529: "Overloaded",
}


class Scripted(NamedTuple):
    """An answer in the form of a dialect, ready to be said."""

    answer: Answer
    whole: Json
    frames: list[bytes]
    broken: Callable[[int], list[bytes]]
    """The frames that tell of an error, after so many of ``frames`` have gone out."""


class Dialect:
    """What sets one dialect apart. A subclass checks requests and renders answers."""

    is_chat = False
    """Whether the faults that know chat objects alone can be had."""
    request_id_header = "x-request-id"
    statuses: dict[int, int] = {529: 503}
    """Status that this vendor uses instead of the scripted one."""
    stream_type = "text/event-stream; charset=utf-8"

    def request_id(self, exchange: "Exchange") -> str:
        return exchange.reply_id

    def model_of(self, request: "Recorded") -> str:
        return str(request.json.get("model", "")) if isinstance(request.json, dict) else ""

    def error(
        self,
        exchange: "Exchange",
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> Json:
        """The body of an error in the vendor's form."""
        raise NotImplementedError

    def scripted(self, exchange: "Exchange") -> Scripted:
        """The proper answer to a request that has passed the checks."""
        raise NotImplementedError

    async def answer(self, exchange: "Exchange") -> None:
        """Checks the request as the vendor would and answers it."""
        raise NotImplementedError


async def perform(exchange: "Exchange", scripted: Scripted, stream: bool) -> None:
    """Says the scripted answer, with the mishaps that it asks for."""
    answer, dialect = scripted.answer, exchange.dialect
    if answer.error is not None:
        await refuse(exchange, dialect.statuses.get(answer.error, answer.error))
    elif stream:
        await exchange.begin_stream()
        await _wait(exchange, answer)
        await _say_frames(exchange, scripted)
    else:
        await _wait(exchange, answer)
        await _say_whole(exchange, scripted)


async def refuse(exchange: "Exchange", status: int) -> None:
    headers = {"retry_after": "1"} if status == 429 else {}
    await exchange.refuse(status, MESSAGES.get(status, "Upstream error."), **headers)


async def _wait(exchange: "Exchange", answer: Answer) -> None:
    if answer.slow_first:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SLOW_FIRST_S):
                await exchange.upstream.released.wait()


async def _say_frames(exchange: "Exchange", scripted: Scripted) -> None:
    frames, breaks = scripted.frames, scripted.answer.breaks
    if breaks:
        frames = frames[: max(1, len(frames) // 2)]
    for frame in frames:
        await exchange.chunk(frame)
    if breaks == "cut":
        exchange.cut()
    for frame in scripted.broken(len(frames)) if breaks else ():
        await exchange.chunk(frame)
    await exchange.end_stream()


async def _say_whole(exchange: "Exchange", scripted: Scripted) -> None:
    match scripted.answer.breaks:
        case "error":
            await refuse(exchange, 500)
        case "cut":
            await exchange.send_json(200, scripted.whole, cut=True)
            exchange.cut()
        case _:
            await exchange.send_json(200, scripted.whole)
