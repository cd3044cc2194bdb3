"""The scripted answer: words in the last question steer it, the same in every dialect.

``[tool]`` one call of the first declared function · ``[tool:NAME]`` and ``[tool:NAME {…}]`` of that
function, with those arguments · ``[tools]`` two parallel calls, of the first two functions or twice of
the only one · ``[again]`` with ``[tool]``: a second call after the first result · when the results are
there, a text tells them · ``[think]`` reasoning first, if the request lets the model reason ·
``[redacted]`` the same, but hidden · ``[json]`` JSON that fits the schema asked for (also without the
word, if a schema is asked for) · ``[image]`` says what was attached · ``[cache]`` 128 input tokens read
from a cache · ``[cache-write]`` and 32 written to it · ``[long]`` 200 deltas · ``[length]`` stops by
length · ``[refuse]`` the model refuses · ``[block]`` the input is blocked by a filter · ``[search]`` a
web search with a citation, if the request offers one · ``[echo]`` says the question again · ``[cut]``
the connection ends in the middle · ``[error-400|401|403|404|429|500|503|529]`` · ``[error-midstream]`` ·
``[slow-first]`` waits before anything is said, until ``FakeUpstream.released`` is set, 1.5 s at most.

Without any of them the answer is ``word0 word1 …``: as many words as the output cap says; 12 if there is
none, or one of 4,096 or more, which is there only to keep a bound.
"""

import json
import re
from dataclasses import dataclass
from typing import NamedTuple

from tests.sim.facts import Facts, Json, Tool, compact, example, input_tokens

WORDS_DEFAULT = 12
WORDS_LONG = 200
CAP_IS_A_WISH_BELOW = 4096
LOGPROB = -0.5
CACHE_READ_TOKENS = 128
CACHE_WRITE_TOKENS = 32
ECHO_CHARS_MAX = 200
REASONING = "The user asks; think it over, then answer."
REASONING_AFTER_RESULTS = "The tool has answered; now tell it."
REFUSAL = "I cannot help with that."
SEARCH_QUERY = "capital of France"
WORDS = re.compile(
    r"\[(tool|tools|again|think|redacted|json|image|cache|cache-write|long|length|refuse|block|search|echo|cut"
    r"|error-\d{3}|error-midstream|slow-first)\]"
)
NAMED_TOOL = re.compile(r"\[tool:([\w.:-]+)\s*")


class Call(NamedTuple):
    name: str
    arguments: Json


class Citation(NamedTuple):
    """A part of the answer's text and where it comes from. Offsets count code points."""

    start: int
    end: int
    url: str
    title: str


class Usage(NamedTuple):
    """Disjoint classes of tokens."""

    input: int
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    searches: int = 0

    @property
    def input_all(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def output_all(self) -> int:
        return self.output + self.reasoning


@dataclass(frozen=True)
class Answer:
    usage: Usage
    text: tuple[str, ...] = ()
    """Its deltas."""
    reasoning: tuple[str, ...] = ()
    redacted: bool = False
    calls: tuple[Call, ...] = ()
    citation: Citation | None = None
    finish: str = "stop"
    """``stop``, ``stop_sequence``, ``length``, ``calls``, ``refusal`` or ``block``."""
    stop_sequence: str | None = None
    error: int | None = None
    """Status of the error that is answered instead."""
    breaks: str = ""
    """``cut`` or ``error`` in the middle of the stream."""
    slow_first: bool = False

    @property
    def whole_text(self) -> str:
        return "".join(self.text)

    @property
    def whole_reasoning(self) -> str:
        return "".join(self.reasoning)


def steering(text: str) -> set[str]:
    found = set(WORDS.findall(text))
    return found | {"tool"} if NAMED_TOOL.search(text) else found


def named_tool(text: str) -> tuple[str, Json | None]:
    """Name and arguments of ``[tool:NAME {…}]``; ``("", None)`` if there is none, None for no arguments."""
    match = NAMED_TOOL.search(text)
    if match is None:
        return "", None
    if text[match.end() : match.end() + 1] != "{":
        return match[1], None
    try:
        arguments, _ = json.JSONDecoder().raw_decode(text, match.end())
    except ValueError:  # a client that escaped the quotes, for one
        return match[1], None
    return match[1], arguments


def is_steered(facts: Facts) -> bool:
    """Whether the question says more than an ordinary one."""
    forced = facts.choice not in ("auto", "none")
    return bool(steering(facts.question)) or facts.schema is not None or forced


def words(cap: int | None) -> list[str]:
    count = cap if cap and cap < CAP_IS_A_WISH_BELOW else WORDS_DEFAULT
    return [f"word{index}" for index in range(count)]


def alternatives(token: str, count: int) -> list[tuple[str, float]]:
    """What might have stood in place of ``token``, itself first, with its log probability."""
    return [(token, LOGPROB), *((f"{token}~{rank}", LOGPROB - rank) for rank in range(1, count))][:count]


def deltas(text: str) -> tuple[str, ...]:
    """``text`` in pieces of a word each."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def answer(facts: Facts) -> Answer:
    steer = steering(facts.question)
    calls = _calls(facts, steer)
    text, finish = ("", "calls") if calls else _text(facts, steer)
    text, finish, hit = _bounded(text, finish, facts)
    reasoning: tuple[str, ...] = ()
    if ("think" in steer or "redacted" in steer) and facts.thinking and finish != "block":
        reasoning = deltas(REASONING_AFTER_RESULTS if facts.results else REASONING)
    searched = finish != "block" and not calls and "search" in steer and facts.search
    pieces = deltas(text)
    usage = Usage(
        input=input_tokens(facts.turns),
        cache_read=CACHE_READ_TOKENS if "cache" in steer or "cache-write" in steer else 0,
        cache_write=CACHE_WRITE_TOKENS if "cache-write" in steer else 0,
        output=(len(pieces) + len(calls)) * facts.copies,
        reasoning=len(reasoning) * facts.copies,
        searches=int(searched),
    )
    status = next((word for word in steer if re.fullmatch(r"error-\d{3}", word)), None)
    return Answer(
        usage=usage,
        text=pieces,
        reasoning=reasoning,
        redacted="redacted" in steer,
        calls=calls,
        citation=_citation(text) if searched and finish == "stop" else None,
        finish=finish,
        stop_sequence=hit,
        error=int(status[-3:]) if status else None,
        breaks="cut" if "cut" in steer else "error" if "error-midstream" in steer else "",
        slow_first="slow-first" in steer,
    )


def _calls(facts: Facts, steer: set[str]) -> tuple[Call, ...]:
    wanted = 2 if "again" in steer else 1
    if not facts.tools or facts.choice == "none" or len(facts.results) >= wanted:
        return ()
    if "refuse" in steer or "block" in steer:
        return ()
    number = len(facts.results) + 1
    tools = {tool.name: tool for tool in facts.tools}
    name, arguments = named_tool(facts.question)
    if facts.choice.startswith("="):
        return (_call(tools[facts.choice[1:]], number),)
    if "tools" in steer and facts.parallel:
        pair = (facts.tools * 2)[:2]
        return tuple(_call(tool, at) for at, tool in enumerate(pair, 1))
    if name in tools:
        return (_call(tools[name], number) if arguments is None else Call(name, arguments),)
    if steer & {"tool", "tools"} or facts.choice == "required":
        return (_call(facts.tools[0], number),)
    return ()


def _call(tool: Tool, number: int) -> Call:
    return Call(tool.name, example(tool.schema, number=number) if tool.schema else {})


def _text(facts: Facts, steer: set[str]) -> tuple[str, str]:
    """The text and why it ends."""
    if "block" in steer:
        return "", "block"
    if "refuse" in steer:
        return REFUSAL, "refusal"
    if facts.results:
        return f"The tool said: {'; '.join(facts.results)}", "stop"
    if facts.schema is not None or "json" in steer:
        return compact(example(facts.schema or {"type": "object", "properties": {"answer": {}}})), "stop"
    if "image" in steer:
        count = len(facts.media)
        return f"I saw {count} attachment{'' if count == 1 else 's'}: {', '.join(facts.media)}.", "stop"
    if "search" in steer:
        return "Café tables aside, Paris is the capital of France.", "stop"
    if "long" in steer:
        return " ".join(f"word{index}" for index in range(WORDS_LONG)), "stop"
    if "length" in steer:
        return " ".join(words(min(facts.cap or WORDS_DEFAULT, WORDS_DEFAULT))), "length"
    if "echo" in steer:
        return f"You said: {WORDS.sub('', facts.question).strip()[:ECHO_CHARS_MAX]}", "stop"
    return " ".join(words(facts.cap)), "stop"


def _bounded(text: str, finish: str, facts: Facts) -> tuple[str, str, str | None]:
    """``text`` ended by a stop sequence or by the cap, the reason, and the sequence that was met."""
    found = [(at, stop) for stop in facts.stop if stop and (at := text.find(stop)) >= 0]
    if found:
        at, stop = min(found)
        return text[:at], "stop_sequence", stop
    pieces = deltas(text)
    if facts.cap is not None and len(pieces) > facts.cap:
        return "".join(pieces[: facts.cap]), "length", None
    return text, finish, None


def _citation(text: str) -> Citation:
    start = text.index("Paris")
    return Citation(start, len(text) - 1, "https://example.com/france", "France")
