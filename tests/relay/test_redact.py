"""Without this a credential in no known form, or in a header of a channel, could be told to clients."""

import base64
import json
import re
from urllib.parse import quote

import pytest

from switchgear.link.snapshot import ChannelView
from switchgear.relay.redact import StreamRedactor, redact, redact_error, redactor_of
from switchgear.wire.faults.upstream_error import UpstreamError

KEY, TOKEN = "a plain phrase", "tok/4821=="
CHANNEL = ChannelView(
    "c1",
    "main",
    "compatible",
    {},
    "authorization",
    "Bearer ",
    (KEY, "short"),
    {},
    (),
    headers=(("x-extra", f"Token {TOKEN}"), ("x-mode", "fast")),
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"no: {KEY}, {KEY}", "no: ***, ***"),
        (f"Token {TOKEN} is bad", "*** is bad"),
        (f"{TOKEN} is bad", "*** is bad"),
        ("a short and fast word", "a short and fast word"),
        ("", ""),
    ],
)
def test_what_was_sent_is_taken_out_and_nothing_else(said: str, shown: str) -> None:
    assert redact(said, CHANNEL.secrets, CHANNEL.headers) == shown


def test_every_word_of_an_error_is_looked_at() -> None:
    error = redact_error(UpstreamError("client", 400, KEY, TOKEN, KEY, TOKEN, 7), CHANNEL)
    assert (error.message, error.type, error.code, error.param) == ("***",) * 4
    assert (error.kind, error.status, error.retry_after_s) == ("client", 400, 7)
    bare = redact_error(UpstreamError("client", 400), CHANNEL)
    assert (bare.code, bare.param) == (None, None)


SECRET = "sk-upstream-Qz7Kp/Wv+3Rt=9mNq8Px4Ab"
CODED = base64.b64encode(SECRET.encode()).decode()


def everywhere_escaped(form: str) -> str:
    return "".join(form.format(ord(letter)) for letter in SECRET)


FORMS = {
    "plain": SECRET,
    "base64": CODED,
    "base64 without padding": CODED.rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {SECRET}".encode()).decode(),
    "base64 of Basic": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "base64 of more": base64.b64encode(f"xx{SECRET}yyy".encode()).decode(),
    "hexadecimal": SECRET.encode().hex(),
    "hexadecimal capitals": SECRET.encode().hex().upper(),
    "URL": quote(SECRET, safe=""),
    "URL, twice": quote(quote(SECRET, safe=""), safe=""),
    "URL, every letter": everywhere_escaped("%{:02X}"),
    "JSON slash": SECRET.replace("/", "\\/"),
    "JSON, every letter": everywhere_escaped("\\u{:04x}"),
    "JSON in JSON": everywhere_escaped("\\\\u{:04X}"),
    "URL of base64": quote(CODED, safe=""),
}
SPLIT = {
    "blanks": SECRET[:10] + " " + SECRET[10:20] + "  " + SECRET[20:],
    "every letter": " ".join(SECRET),
    "lines": SECRET[:17] + "\n" + SECRET[17:],
    "escaped lines": SECRET[:17] + "\\n" + SECRET[17:],
    "quotes": SECRET[:17] + '" + "' + SECRET[17:],
    "lines of base64": CODED[:20] + "\r\n" + CODED[20:],
    "HTML": everywhere_escaped("&#x{:02x};"),
}


def pieces_left(text: str) -> list[str]:
    """Longer pieces of the secret that somebody could read."""
    for forms in (SECRET, CODED, SECRET.encode().hex()):
        found = [forms[at : at + 12] for at in range(len(forms) - 11) if forms[at : at + 12] in text]
        if found:
            return found
    return []


@pytest.mark.parametrize("form", [*FORMS, *SPLIT])
def test_an_error_shows_a_secret_in_no_form(form: str) -> None:
    said = (FORMS | SPLIT)[form]
    shown = redact(f"Key {said} is wrong.", (SECRET,), ())
    assert shown.startswith("Key ")
    assert shown.endswith(" is wrong.")
    assert "***" in shown
    assert len(shown) < len("Key  is wrong.") + 40, shown
    assert not pieces_left(re.sub(r"[\s\\n\"+]", "", shown))


@pytest.mark.parametrize("at", range(12, len(SECRET) - 12))
def test_an_error_shows_no_half_of_a_secret(at: int) -> None:
    said = json.dumps({"first": SECRET[:at], "second": SECRET[at:]})
    assert not pieces_left(redact(said, (SECRET,), ()))


def test_ordinary_words_of_an_error_stay() -> None:
    said = 'Invalid "model": gpt-5.2 + tools, 100%, C:\\new\\files, café \\u00e9 &#39;x&#39; 2023-06-01'
    assert redact(said, (SECRET,), ()) == said


HOLDER = ChannelView("c", "c", "v", {}, "authorization", "Bearer ", (SECRET,), {}, (), headers=(
    ("anthropic-version", "2023-06-01"), ("x-api-key", TOKEN + "-longer"),
))  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_holds_a_secret_in_no_form(form: str) -> None:
    body = ('{"content":"It is ' + FORMS[form] + ' today"}').encode()
    shown = redactor_of(HOLDER, 0).clean(body)
    assert shown.startswith(b'{"content":"It is ')
    assert shown.endswith(b' today"}')
    assert b"***" in shown
    assert not pieces_left(shown.decode())
    json.loads(shown.replace(b"\\\\", b""))


def test_an_answer_that_holds_none_stays_as_it_is() -> None:
    body = '{"content":"sk-upstream- 2023-06-01 caf\\u00e9 100% \\/ é"}'.encode()
    redactor = redactor_of(HOLDER, 0)
    assert redactor.clean(body) is body
    assert redactor.clean(f"x {TOKEN}-longer".encode()) == b"x ***"
    assert not redactor_of(ChannelView("c", "c", "v", {}, "", "", (), {}, ()), -1)


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_holds_no_secret_wherever_it_is_cut(form: str) -> None:
    stream = f'data: {{"x":"{FORMS[form]}"}}\n\ndata: [DONE]\n\n'.encode()
    for size in (1, 2, 3, 7, 16, len(stream) // 2):
        for offset in range(size):
            seen: list[bytes] = []
            guard = StreamRedactor(redactor_of(HOLDER, 0), lambda data, seen=seen: not seen.append(data))
            cuts = [stream[:offset], *(stream[at : at + size] for at in range(offset, len(stream), size))]
            for cut in filter(None, cuts):
                guard.take(cut)
            guard.finish()
            shown = b"".join(seen)
            assert b"***" in shown
            assert not pieces_left(shown.decode())
            assert shown.endswith(b"data: [DONE]\n\n")


def test_a_stream_waits_for_nothing_at_the_end_of_a_frame() -> None:
    seen: list[bytes] = []
    guard = StreamRedactor(redactor_of(HOLDER, 0), lambda data: not seen.append(data))
    frames = [b'data: {"x":"s"}\n\n', b"data: {\n\n", b": ping\n\n"]
    for frame in frames:
        assert guard.take(frame)
        assert seen[-1] is frame
