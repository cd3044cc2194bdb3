"""How one candidate's answer is read and shown: as it came, or said again in the client's dialect."""

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import THOUGHTS_CHARS_MAX
from switchgear.relay.attempt import Exchange
from switchgear.relay.call import RunningCall
from switchgear.relay.meter import BYTES_PER_TOKEN
from switchgear.relay.prepare import CONVERSATIONS, Prepared, passage_of
from switchgear.relay.tools import Tools
from switchgear.wire.call import Call
from switchgear.wire.convert.answer_form import is_whole
from switchgear.wire.convert.bridge import Bridge, Passage, convert_reply
from switchgear.wire.convert.renamed import RenamedTap, Renamer
from switchgear.wire.dialect import Dialect, Head, Reply, Tap
from switchgear.wire.embeddings import convert_embeddings
from switchgear.wire.neutral.reasoning_memory import ThoughtsReader
from switchgear.wire.neutral.request import Request
from switchgear.wire.openai_responses.kept import Answered, answered_whole


class Rendering:
    """The answer of one candidate to one call."""

    __slots__ = ("_call", "_dialect", "_prepared", "_running", "_thoughts", "_tools")

    def __init__(
        self, tools: Tools, running: RunningCall, dialect: Dialect, call: Call, prepared: Prepared
    ) -> None:
        """``dialect``: the client's."""
        self._tools = tools
        self._running = running
        self._dialect = dialect
        self._call = call
        self._prepared = prepared
        self._thoughts: ThoughtsReader | None = None

    def read_reply(self, body: bytes, exchange: Exchange) -> Reply:
        """A whole reply, as the client gets it. Never raises."""
        call, prepared = self._call, self._prepared
        if prepared.embeds:
            return convert_embeddings(call, prepared.operation, body)
        request, passage = prepared.request or prepared.gathered, prepared.passage
        if request is None and exchange.form in ("events", "array"):
            request, passage = self._reread(), passage_of(exchange.candidate, prepared.operation)
        if request is None:
            if prepared.shown_model:
                body = Renamer(prepared.shown_model)(body)
            return self._dialect.read_reply(call, body)
        head = self.head(request)
        reply = convert_reply(prepared.dialect, self._dialect, body, head, passage, prepared.copies)
        thoughts = self._read_thoughts(passage)
        for event in reply.events:
            thoughts.take(event)
        return reply

    def tap(self, exchange: Exchange) -> Tap:
        """For a stream."""
        prepared = self._prepared
        request, passage = prepared.request, prepared.passage
        if request is None and is_whole(exchange.form):
            request, passage = self._reread(), passage_of(exchange.candidate, prepared.operation)
        if request is None:
            tap = self._dialect.tap(self._call)
            return RenamedTap(tap, Renamer(prepared.shown_model)) if prepared.shown_model else tap
        writer = self._dialect.writer(self.head(request))
        return Bridge(prepared.reader(), writer, passage, self._read_thoughts(passage).take)

    def _reread(self) -> Request | None:
        """The neutral form of a request that passed through, for an answer that came in another form than was
        asked for; None where it can't be had, and such an answer can't be read."""
        if self._prepared.operation not in CONVERSATIONS:
            return None
        try:
            return self._dialect.read_request(self._call, self._tools.seals.of(self._running.owner))
        except ApiError:
            return None

    def answered(self, reply: Reply) -> Answered | None:
        """What is to be kept of a whole reply of the Responses dialect."""
        request = self._prepared.request
        return answered_whole(reply, None if request is None else self.head(request))

    async def keep_thoughts(self) -> None:
        """For the next turn, before this one is seen to end: it may come at once, and to another worker."""
        if self._thoughts is not None and (found := self._thoughts.found()):
            await self._tools.thoughts.keep(self._running.owner, found)

    def head(self, request: Request) -> Head:
        """What a converted answer is made from beside its events."""
        call = self._call
        return Head(
            id=self._running.request_id,
            model=call.shown_model,
            created_s=self._tools.books.clock.now_ms() // 1000,
            request=request,
            seals=self._tools.seals.of(self._running.owner),
            input_tokens=call.input_bytes // BYTES_PER_TOKEN,
            include_usage=call.include_usage,
            fields=call.fields if call.asked is None else call.asked,
            array=call.in_path.array,
            completion=call.operation == "openai_completions",
        )

    def _read_thoughts(self, passage: Passage) -> ThoughtsReader:
        self._thoughts = ThoughtsReader(passage.origin, THOUGHTS_CHARS_MAX, passage.source)
        return self._thoughts
