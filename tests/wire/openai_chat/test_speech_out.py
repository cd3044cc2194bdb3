"""Without this a client that asked for a WAV file would get bare samples without a name, which no player
takes."""

import base64
import io
import json
import wave
from typing import Any

import pytest
from msgspec import Raw
from tests.wire.openai_chat.vectors import SEALS

from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import AudioOut, Choice, End, Event, Finish, Start
from switchgear.wire.neutral.request import Request
from switchgear.wire.openai_chat.to_client.speech import join_data
from switchgear.wire.openai_chat.to_client.whole import write_reply
from switchgear.wire.openai_chat.to_client.writer import ChatWriter

SAMPLES = bytes(range(100))
PIECES = [SAMPLES[:40], SAMPLES[40:]]
TYPE = "audio/L16;codec=pcm;rate=16000"


def head(form: str | None) -> Head:
    audio = None if form is None else Raw(json.dumps({"voice": "alloy", "format": form}).encode())
    return Head("7", "m", 1000, Request((), modalities=("text", "audio"), audio=audio), SEALS)


def events(media_type: str = TYPE) -> list[Event]:
    sounds = [AudioOut(base64.b64encode(piece).decode(), media_type=media_type) for piece in PIECES]
    return [Start(), *sounds, Finish("stop"), End()]


def whole(form: str | None, media_type: str = TYPE) -> dict[str, Any]:
    audio: dict[str, Any] = json.loads(write_reply(events(media_type), head(form)))["choices"][0]["message"][
        "audio"
    ]
    return audio


def streamed(form: str | None) -> list[dict[str, Any]]:
    writer = ChatWriter(head(form))
    out = writer.feed(events()) + writer.closing()
    frames = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
    return [delta["audio"] for frame in frames if "audio" in (delta := frame["choices"][0]["delta"])]


@pytest.mark.parametrize("form", [None, "wav"])
def test_a_whole_answer_is_a_wav_file_with_a_name(form: str | None) -> None:
    audio = whole(form)
    assert (audio["id"], audio["expires_at"], audio["transcript"]) == ("audio_7", 4600, "")
    with wave.open(io.BytesIO(base64.b64decode(audio["data"]))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16000)
        assert sound.readframes(1000) == SAMPLES


def test_bare_samples_stay_where_they_are_asked_for() -> None:
    audio = whole("pcm16")
    assert base64.b64decode(audio["data"]) == SAMPLES
    assert audio["id"] == "audio_7"
    assert b"".join(base64.b64decode(piece["data"]) for piece in streamed("pcm16")) == SAMPLES


def test_a_stream_begins_with_header_and_name() -> None:
    first, second = streamed("wav")
    assert (first["id"], first["expires_at"], first["transcript"]) == ("audio_7", 4600, "")
    assert "id" not in second
    sound = base64.b64decode(first["data"]) + base64.b64decode(second["data"])
    assert (sound[:4], sound[8:16], sound[44:]) == (b"RIFF", b"WAVEfmt ", SAMPLES)


def test_what_is_a_file_already_stays() -> None:
    assert base64.b64decode(whole("wav", "audio/mpeg")["data"]) == SAMPLES


def test_two_answers_have_two_names() -> None:
    sound = AudioOut("AAAA", media_type=TYPE)
    both: list[Event] = [Start(), sound, Finish("stop"), Choice(1), sound, Finish("stop"), End()]
    choices = json.loads(write_reply(both, head("pcm16")))["choices"]
    assert [choice["message"]["audio"]["id"] for choice in choices] == ["audio_7", "audio_7_1"]


def test_data_that_is_no_base64_stays() -> None:
    assert join_data(["A=", "B"]) == "A=B"
    assert join_data(["AA", "BB"]) == "AABB"
    assert join_data(["AQ==", "Ag=="]) == base64.b64encode(b"\x01\x02").decode()
