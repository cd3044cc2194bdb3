"""Looking at a stored response, and ending it: GET, DELETE, cancel, input_items.

What an upstream keeps is asked of the channel and key that made it; what is kept here is answered here. Only
the keys of the user whose it is see that it is there at all.
"""

import asyncio
from functools import partial
from urllib.parse import quote, urlencode

import msgspec

from switchgear.kernel.errors import INVALID_VALUE, STORE_AWAY, ApiError
from switchgear.kernel.limits import (
    BACKGROUND_POLL_S_MIN,
    FRAME_BYTES_MAX,
    HEARTBEAT_INTERVAL_S,
    RESPONSE_CALL_TIMEOUT_S,
    TOTAL_TIMEOUT_S,
)
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import DropResponse, KeepResponse, Ok, ResponseUnknown
from switchgear.net.transport import TransportFault
from switchgear.relay.admit import identify
from switchgear.relay.http import ClientGone, Headers, Inbound, Reply
from switchgear.relay.place import Place, place_of
from switchgear.relay.query import query_fields
from switchgear.relay.redact import StreamRedactor, redactor_of
from switchgear.relay.routes import Route
from switchgear.relay.tools import Tools
from switchgear.relay.upstream_store import unknown
from switchgear.wire.convert.renamed import Renamer
from switchgear.wire.openai_responses.kept import items_of
from switchgear.wire.openai_responses.replay import events_of
from switchgear.wire.openai_responses.stored import render_deleted, render_input_items, with_status

_ASKED = frozenset(
    {
        "include",
        "include[]",
        "stream",
        "starting_after",
        "include_obfuscation",
        "limit",
        "order",
        "after",
        "before",
    }
)
"""Parameters that an upstream sees; a key may stand beside them."""
_DIED = {"code": "server_error", "message": "The relay's worker ended before the response was complete."}
_STREAM: Headers = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
]


class _Status(msgspec.Struct):
    status: str = ""


_decode = msgspec.json.Decoder(_Status).decode


class StoredResponses:
    """Answers for one worker."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def wants_stream(self, request: Inbound, route: Route) -> bool:
        """Whether the response is wanted as its events."""
        if request.method != "GET" or route.page != "response" or route.below:
            return False
        return _query(request).get("stream") == "true"

    async def answer(self, request: Inbound, route: Route) -> bytes:
        """The JSON body. Raises ApiError."""
        found = await self._found(request, route)
        query = _query(request)
        if place := self._place(found):
            return await self._at_upstream(request, route, found, place)
        if route.below == "cancel":
            return await self._cancel(found)
        if route.below == "input_items":
            limit = _whole_number(query, "limit", 20)
            order, after = query.get("order", "desc"), query.get("after", "")
            return render_input_items(items_of(found.input_items), limit, order, after)
        if request.method == "DELETE":
            await self._drop(found)
            return render_deleted(found.id)
        return found.response

    async def stream(self, request: Inbound, reply: Reply, route: Route, headers: Headers) -> None:
        """The response as its events, from ``starting_after`` on. Raises ApiError before anything is sent."""
        found = await self._found(request, route)
        query = _query(request)
        after = _whole_number(query, "starting_after", -1)
        if (task := asyncio.current_task()) is not None:
            reply.on_disconnect(partial(_cancel, task))
        if place := self._place(found):
            tail = f"/{quote(found.id, safe='')}{_tail(request)}"
            await self._pass_on(reply, headers, place, tail, _renamer(found, place))
            return
        try:
            await self._replay(reply, headers, found, after)
        except (ClientGone, asyncio.CancelledError):
            return

    async def _replay(self, reply: Reply, headers: Headers, found: StoredResponse, after: int) -> None:
        """Sends all events once the response is over; until then the stream is kept alive."""
        reply.start_stream(200, headers + _STREAM)
        waited_s = 0.0
        while found.is_open and waited_s < TOTAL_TIMEOUT_S:
            await asyncio.sleep(BACKGROUND_POLL_S_MIN)
            waited_s += BACKGROUND_POLL_S_MIN
            if waited_s % HEARTBEAT_INTERVAL_S < BACKGROUND_POLL_S_MIN:
                reply.push(b": keep-alive\n\n")
            again = await self._tools.responses.find(found.id, found.owner)
            if isinstance(again, ResponseUnknown):
                break
            found = _as_it_is(again.response)
        for frame in events_of(found.response)[after + 1 :]:
            reply.push(frame)
            await reply.room()
        reply.finish()

    async def _pass_on(
        self, reply: Reply, headers: Headers, place: Place, tail: str, rename: Renamer | None
    ) -> None:
        response = await self._tools.upstream_store.open(place, "GET", tail, stream=True)
        try:
            reply.start_stream(200, headers + _STREAM)
            guard = StreamRedactor(redactor_of(place.channel, place.secret), reply.push)
            rest = b""
            while chunk := await response.next_chunk():
                if rename is not None:  # which takes whole events
                    whole, end, rest = (rest + chunk).rpartition(b"\n\n")
                    if len(rest) > FRAME_BYTES_MAX:
                        return
                    chunk = rename(whole + end)
                if chunk:
                    guard.take(chunk)
                    await reply.room()
            if rest:
                guard.take(rest)
            guard.finish()
            reply.finish()
        except (ClientGone, TransportFault, asyncio.CancelledError):
            return  # without its end, so that the client sees that it was cut
        finally:
            response.close()

    async def _found(self, request: Inbound, route: Route) -> StoredResponse:
        view = self._tools.view()
        caller = await identify(request, self._tools.directory, view.trusted, self._tools.books.clock)
        found = await self._tools.responses.find(route.response_id, caller.principal.user_id)
        if isinstance(found, ResponseUnknown):
            raise unknown(found.id)
        return _as_it_is(found.response)

    def _place(self, found: StoredResponse) -> Place | None:
        """None for what is kept here. Raises ApiError when what keeps it is no longer there."""
        if not found.channel:
            return None
        place = place_of(self._tools.view().snapshot, found, self._tools.responses.pepper())
        if place is None:
            raise unknown(found.id)
        return place

    async def _at_upstream(
        self, request: Inbound, route: Route, found: StoredResponse, place: Place
    ) -> bytes:
        below = f"/{route.below}" if route.below else ""
        deletes = request.method == "DELETE"
        if deletes and found.bill:
            raise ApiError(
                INVALID_VALUE,
                f"The response '{found.id}' is not over yet; cancel it, or delete it a little later.",
                param="response_id",
            )
        method = request.method if request.method != "HEAD" else "GET"
        tail = f"/{quote(found.id, safe='')}{below}{_tail(request)}"
        body = await self._tools.upstream_store.ask(place, method, tail)
        if (rename := _renamer(found, place)) is not None:
            body = rename(body)
        if deletes:
            await self._ask(DropResponse(found.id, found.owner))
            return body or render_deleted(found.id)
        return body

    async def _cancel(self, found: StoredResponse) -> bytes:
        if not found.background:
            raise ApiError(INVALID_VALUE, "Cannot cancel a synchronous response.", param="response_id")
        if not found.is_open:
            return found.response
        cancelled = msgspec.structs.replace(
            found, status="cancelled", response=with_status(found.response, "cancelled")
        )
        if isinstance(await self._ask(KeepResponse(cancelled, if_open=True)), ResponseUnknown):
            again = await self._tools.responses.find(found.id, found.owner)  # it was over a moment before
            if isinstance(again, ResponseUnknown):
                raise unknown(found.id)
            return _as_it_is(again.response).response
        return cancelled.response

    async def _drop(self, found: StoredResponse) -> None:
        if isinstance(await self._ask(DropResponse(found.id, found.owner)), ResponseUnknown):
            raise unknown(found.id)

    async def _ask(self, body: DropResponse | KeepResponse) -> Ok | ResponseUnknown:
        try:
            answer = await self._tools.responses.ask(body, RESPONSE_CALL_TIMEOUT_S)
        except ConnectionError:
            answer = None
        if isinstance(answer, Ok | ResponseUnknown):
            return answer
        raise ApiError(
            STORE_AWAY, "Stored responses can't be changed right now. Please try again.", retry_after_s=1
        )


def _renamer(found: StoredResponse, place: Place) -> Renamer | None:
    """Shows the client's name of the model, where the upstream has another."""
    is_renamed = place.channel.models.get(found.model, found.model) != found.model
    return Renamer(found.model) if is_renamed else None


def _cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()


def _as_it_is(found: StoredResponse) -> StoredResponse:
    """With the object of a response saying what became of it when its worker died."""
    if found.status == "failed" and found.response and _decode(found.response).status != "failed":
        return msgspec.structs.replace(found, response=with_status(found.response, "failed", _DIED))
    return found


def _query(request: Inbound) -> dict[str, str]:
    return dict(_asked(request))


def _tail(request: Inbound) -> str:
    asked = _asked(request)
    return f"?{urlencode(asked)}" if asked else ""


def _asked(request: Inbound) -> list[tuple[str, str]]:
    return [(name, value) for name, value in query_fields(request.query) if name in _ASKED]


def _whole_number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ApiError(INVALID_VALUE, f"Invalid value for '{name}': a whole number is expected.", param=name)
    return int(text)
