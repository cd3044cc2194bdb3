"""The Responses dialect on the stage: it keeps what it has answered, so it has more paths than the others."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.sim import faults, replies, responses, responses_items, responses_strict, script, seal, strict
from tests.sim.facts import Json, input_tokens
from tests.sim.stage import Dialect, Scripted, perform

if TYPE_CHECKING:
    from tests.sim.upstream import Exchange

PAGE_DEFAULT = 20
KINDS = {429: "requests", 500: "server_error", 503: "server_error"}
CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


class Stored:
    """One response that was made with ``store``."""

    def __init__(self, call: Json, history: list[Json], given: list[Json], events: list[Json]) -> None:
        self.history, self.given, self.events = history, given, events
        self.final: Json = events[-1]["response"]
        self.background = bool(call.get("background"))
        self.polls = 0
        self.cancelled = False

    def seen(self) -> Json:
        """The response as it is now: one made in the background takes two looks to be complete."""
        if self.cancelled:
            return self.final | {"status": "cancelled", "output": [], "usage": None, "completed_at": None}
        if self.background and self.polls < 2:
            status = "in_progress" if self.polls else "queued"
            return self.final | {"status": status, "output": [], "usage": None, "completed_at": None}
        return self.final


class Store:
    """All that this upstream has stored."""

    def __init__(self) -> None:
        self.responses: dict[str, Stored] = {}

    def item(self, item_id: str) -> Json | None:
        for stored in self.responses.values():
            for item in stored.given + stored.final["output"]:
                if item.get("id") == item_id:
                    return item
        return None

    def reasoning_of(self, item_id: str) -> str | None:
        """The id of the reasoning item that made the item with this id."""
        for stored in self.responses.values():
            ids = {item["type"]: item["id"] for item in stored.final["output"]}
            if any(item["id"] == item_id for item in stored.final["output"]):
                return ids.get("reasoning")
        return None


class Responses(Dialect):
    def error(
        self,
        exchange: "Exchange",
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> Json:
        if kind is None:
            kind, code = KINDS.get(status, "invalid_request_error"), code or CODES.get(status)
        return replies.error_body(message, kind, code, param)

    def scripted(self, exchange: "Exchange") -> Scripted:
        call, reply_id = exchange.call, exchange.bare_id
        history, _ = self._items(exchange)
        answer = script.answer(responses.facts_of(call, history))
        events = responses.events(call, answer, reply_id)
        frames = [responses.frame(item) for item in events]
        whole = (
            responses.begun(call, reply_id, "queued") if call.get("background") else events[-1]["response"]
        )

        def broken(sent: int) -> list[bytes]:
            return [responses.frame(responses.failed_event(call, reply_id, sent))]

        return Scripted(answer, whole, frames, broken)

    def _items(self, exchange: "Exchange") -> tuple[list[Json], list[Json]]:
        """The whole history, and what the request itself gives of it. Raises Invalid."""
        call, store = exchange.call, exchange.upstream.stored
        earlier: list[Json] = []
        if (previous := call.get("previous_response_id")) is not None:
            if previous not in store.responses:
                message = f"Previous response with id '{previous}' not found."
                raise strict.Invalid(message, "previous_response_id", "previous_response_not_found")
            stored = store.responses[previous]
            earlier = stored.history + stored.final["output"]
        if call.get("conversation") is not None:
            raise responses_items.NotFound("Conversation not found.", "conversation")
        given = responses_items.read_input(call, store.item)
        responses_items.check_history(earlier + given, store.reasoning_of)
        return earlier + given, given

    async def answer(self, exchange: "Exchange") -> None:
        method, steps = exchange.request.method, exchange.path.split("/")[3:]
        if not exchange.has_bearer():
            kind = "invalid_request_error"
            await exchange.refuse(401, "Incorrect API key provided.", kind, "invalid_api_key")
        elif method == "POST" and steps in ([], ["input_tokens"], ["compact"]):
            if not isinstance(exchange.request.json, dict):
                await exchange.refuse(400, "We could not parse the JSON body of your request.")
            else:
                await self._answer_call(exchange, steps[0] if steps else "create")
        elif not steps or len(steps) > 2:
            await exchange.refuse(405 if not steps else 404, "Not allowed")
        else:
            await self._answer_stored(exchange, method, steps)

    async def _answer_call(self, exchange: "Exchange", verb: str) -> None:
        call = exchange.call
        try:
            if verb == "input_tokens":
                responses_strict.check_count(call)
            else:
                responses_strict.check(call)
            history, given = self._items(exchange)
        except strict.Invalid as fault:
            status = 404 if isinstance(fault, responses_items.NotFound) else 400
            kind = "invalid_request_error"
            await exchange.refuse(status, fault.message, kind, fault.code, fault.param or None)
            return
        if await faults.inject(exchange):
            return
        tokens = input_tokens(responses.facts_of(call, history).turns)
        if verb == "input_tokens":
            await exchange.send_json(200, {"object": "response.input_tokens", "input_tokens": tokens})
        elif verb == "compact":
            await exchange.send_json(200, _compacted(exchange, tokens))
        else:
            scripted = self.scripted(exchange)
            if call.get("store") is not False and scripted.answer.error is None:
                self._keep(exchange, history, given, scripted)
            await perform(exchange, scripted, bool(call.get("stream")))

    def _keep(self, exchange: "Exchange", history: list[Json], given: list[Json], scripted: Scripted) -> None:
        named = [
            {"type": "message", "id": f"msg_{exchange.bare_id}_in{number}"} | item
            for number, item in enumerate(given)
        ]
        events = responses.events(exchange.call, scripted.answer, exchange.bare_id)
        stored = Stored(exchange.call, history, named, events)
        exchange.upstream.stored.responses[stored.final["id"]] = stored

    async def _answer_stored(self, exchange: "Exchange", method: str, steps: list[str]) -> None:
        stored = exchange.upstream.stored.responses.get(steps[0])
        query = {name: values[-1] for name, values in parse_qs(urlsplit(exchange.request.path).query).items()}
        if stored is None:
            await exchange.refuse(404, f"Response with id '{steps[0]}' not found.", "invalid_request_error")
            return
        match (method, *steps[1:]):
            case ("GET",):
                await self._retrieve(exchange, stored, query)
            case ("DELETE",):
                del exchange.upstream.stored.responses[steps[0]]
                await exchange.send_json(200, {"id": steps[0], "object": "response", "deleted": True})
            case ("POST", "cancel"):
                await self._cancel(exchange, stored)
            case ("GET", "input_items"):
                await exchange.send_json(200, _page(stored.given, query))
            case _:
                await exchange.refuse(405, "Not allowed", "invalid_request_error", "method_not_allowed")

    async def _retrieve(self, exchange: "Exchange", stored: Stored, query: dict[str, str]) -> None:
        if query.get("stream") != "true":
            stored.polls += 1
            await exchange.send_json(200, stored.seen())
            return
        after = int(query.get("starting_after", -1))
        await exchange.begin_stream()
        for event in stored.events:
            if event["sequence_number"] > after:
                await exchange.chunk(responses.frame(event))
        await exchange.end_stream()

    async def _cancel(self, exchange: "Exchange", stored: Stored) -> None:
        if not stored.background:
            message = "Cannot cancel a synchronous response."
            await exchange.refuse(400, message, "invalid_request_error")
            return
        stored.cancelled = stored.cancelled or stored.polls < 2
        await exchange.send_json(200, stored.seen())


def _page(items: list[Json], query: dict[str, str]) -> Json:
    """A page of input items, the newest first unless asked otherwise."""
    ordered = items if query.get("order") == "asc" else items[::-1]
    ids = [item["id"] for item in ordered]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    limit = int(query.get("limit", PAGE_DEFAULT))
    page = ordered[start : start + limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    more = start + limit < len(ordered)
    return {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more}


def _compacted(exchange: "Exchange", tokens: int) -> Json:
    sealed = seal.seal("responses", f"{tokens} tokens of history")
    item: dict[str, Any] = {
        "id": f"cmp_{exchange.bare_id}",
        "type": "compaction",
        "encrypted_content": sealed,
    }
    return {
        "id": f"resp_{exchange.bare_id}",
        "object": "response.compaction",
        "created_at": replies.CREATED,
        "output": [item],
        "usage": responses.usage_of(script.Usage(input=tokens, output=1)),
    }
