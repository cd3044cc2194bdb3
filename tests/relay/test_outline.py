"""Without this what a stream repeats is searched in each frame again, or a secret between two known parts is
passed on."""

import base64
import json
from collections.abc import Callable

import pytest

from switchgear.kernel.limits import OUTLINE_BYTES_MAX, OUTLINE_TRIES
from switchgear.relay.outline import Outline
from switchgear.relay.redact import Redactor, StreamRedactor

SECRET = "sk-upstream-Qz7Kp/Wv+3Rt=9mNq8Px4Ab"
CODED = base64.b64encode(SECRET.encode()).decode()
FORMS = (SECRET, CODED, SECRET.encode().hex(), SECRET.replace("/", "\\/"))


def chat(text: str) -> bytes:
    return (
        b'data: {"id":"chatcmpl-01234567","choices":[{"index":0,"delta":{"content":"' + text.encode() + b'"},'
        b'"finish_reason":null}],"usage":null}\n\n'
    )


def numbered(text: str) -> bytes:
    number = len(text)
    return (
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,'
        b'"item_id":"msg_0123456789","output_index":0,"delta":"%b","logprobs":[]}\n\n'
    ) % (number, text.encode())


FRAMES = pytest.mark.parametrize("frame", [chat, numbered])


class Watched(Redactor):
    """Counts the searches."""

    def __init__(self, secret: str = SECRET) -> None:
        super().__init__((secret,), ())
        self.searches = 0

    def clean(self, data: bytes) -> bytes:
        self.searches += 1
        return super().clean(data)


def run(redactor: Redactor, chunks: list[bytes]) -> bytes:
    seen: list[bytes] = []
    guard = StreamRedactor(redactor, lambda data: not seen.append(data))
    for chunk in chunks:
        guard.take(chunk)
    guard.finish()
    return b"".join(seen)


@FRAMES
def test_what_recurs_is_searched_twice_and_no_more(frame: Callable[[str], bytes]) -> None:
    chunks = [frame(text) for text in (" the", " quick", " 100%", "\\n", "", ' \\"so\\"', "x" * 30) * 20]
    chunks += [b"".join(chunks[:10]), b"".join(chunks[3:6])]
    redactor = Watched()
    assert run(redactor, chunks) == b"".join(chunks)
    assert redactor.searches == 2


@FRAMES
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_among_known_frames_is_taken_out(frame: Callable[[str], bytes], form: str) -> None:
    usual = [frame(text) for text in (" the", " quick", " fox")]
    for chunks in (
        [frame(form)],
        [frame(" a ") + frame(form)],
        [frame(form) + frame(" a ")],
        [frame(" a ") + frame(form) + frame(" b ")],
        [frame(f"so {form} is")[:-60], frame(f"so {form} is")[-60:]],
    ):
        shown = run(Redactor((SECRET,), ()), usual + chunks)
        assert form.encode() not in shown
        assert b"***" in shown
        assert shown == Redactor((SECRET,), ()).clean(b"".join(usual + chunks))


@FRAMES
def test_a_secret_over_the_border_of_known_frames_is_taken_out(frame: Callable[[str], bytes]) -> None:
    usual = [frame(text) for text in (" the", " quick", " fox")]
    whole = frame(f"so {SECRET} is")
    for at in range(1, len(whole)):
        shown = run(Redactor((SECRET,), ()), [*usual, whole[:at], whole[at:], *usual])
        assert shown == b"".join([*usual, whole.replace(SECRET.encode(), b"***"), *usual]), at


def test_a_secret_in_the_known_parts_is_never_learnt() -> None:
    texts = ("a", "b", "c", "d") * 3
    frames = [json.dumps({"id": SECRET, "text": text}).encode() + b"\n\n" for text in texts]
    assert SECRET.encode() not in run(Redactor((SECRET,), ()), frames)


def test_a_secret_that_holds_a_quote_is_searched_for_everywhere() -> None:
    secret = 'a "quoted" phrase'
    frames = [chat(text) for text in ("a", "b", "c")] + [b'data: a "quoted" phrase\n\n', chat(secret)]
    redactor = Watched(secret)
    assert secret.encode() not in run(redactor, frames)
    assert redactor.searches == len(frames)


def test_what_is_learnt_is_bounded() -> None:
    outline = Outline(20)
    for number in range(OUTLINE_TRIES + 1):
        outline.learn(b"%d\n" % number)
    outline.learn(chat("a"))
    outline.learn(chat("b"))
    assert not outline.covers(chat("c"))
    large = Outline(20)
    large.learn(chat("a" * OUTLINE_BYTES_MAX))
    large.learn(chat("b" * OUTLINE_BYTES_MAX))
    assert not large.covers(chat("c"))


def test_frames_of_another_kind_between_change_nothing() -> None:
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'
    redactor = Watched()
    chunks = [chat("a"), chat("b"), ping, chat("c"), ping, chat("d")]
    assert run(redactor, chunks) == b"".join(chunks)
    assert redactor.searches == 4
