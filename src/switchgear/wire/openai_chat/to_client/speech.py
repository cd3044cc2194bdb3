"""A spoken answer for a client of this dialect: with a name, and in the form that was asked for.

Upstreams of another dialect give bare samples in pieces (16 bits, little-endian, one channel) and no name.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from switchgear.kernel.limits import SPEECH_NAMED_S
from switchgear.wire.dialect import Head
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import AudioOut

_SAMPLES = ("audio/l16", "audio/pcm")
_RATE = re.compile(r"rate=(\d{4,6})")
_RATE_USUAL = 24_000
_SAMPLE_BYTES = 2
_OPEN = b"\xff\xff\xff\xff"
"""A size that is not known yet."""
_HEADER_BYTES = 44


class Speech:
    """The spoken parts of one answer, in their order."""

    __slots__ = ("_begun", "_id", "_until_s", "_wants_wav")

    def __init__(self, head: Head, choice: int) -> None:
        asked = None if head.request.audio is None else any_of(head.request.audio)
        form = asked.get("format") if isinstance(asked, dict) else None
        self._wants_wav = form in (None, "", "wav")
        self._id = f"audio_{head.id}_{choice}" if choice else f"audio_{head.id}"
        self._until_s = head.created_s + SPEECH_NAMED_S
        self._begun = False

    def of(self, event: AudioOut) -> dict[str, Any]:
        """What the event adds to ``audio``."""
        found: dict[str, Any] = {"id": event.id, "data": event.data, "transcript": event.transcript}
        audio = {key: value for key, value in found.items() if value}
        if event.expires_at:
            audio["expires_at"] = event.expires_at
        if not event.media_type:
            return audio  # of an upstream that names and frames it itself
        if not self._begun:
            audio |= {"id": self._id, "expires_at": self._until_s, "transcript": event.transcript}
            if self._wants_wav and event.media_type.lower().startswith(_SAMPLES):
                audio["data"] = _framed(event.data, event.media_type)
        self._begun = True
        return audio


def join_data(pieces: Sequence[str]) -> str:
    """The data of a whole answer, whose size is known now."""
    data = "".join(pieces)
    is_padded = any(piece.endswith("=") for piece in pieces[:-1])
    if not is_padded and not data.startswith("UklG"):
        return data
    try:
        sound = b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except binascii.Error:
        return data
    if sound[4:8] == _OPEN and sound[:4] == b"RIFF":
        size = len(sound) - _HEADER_BYTES
        sound = sound[:4] + _number(size + 36) + sound[8:40] + _number(size) + sound[_HEADER_BYTES:]
    return base64.b64encode(sound).decode()


def _framed(data: str, media_type: str) -> str:
    """The first samples behind the header of a WAV file, whose size is open."""
    try:
        samples = base64.b64decode(data, validate=True)
    except binascii.Error:
        return data
    found = _RATE.search(media_type)
    rate = int(found[1]) if found else _RATE_USUAL
    form = _number(16) + _number(1, 2) + _number(1, 2) + _number(rate) + _number(rate * _SAMPLE_BYTES)
    form += _number(_SAMPLE_BYTES, 2) + _number(8 * _SAMPLE_BYTES, 2)
    header = b"RIFF" + _OPEN + b"WAVEfmt " + form + b"data" + _OPEN
    return base64.b64encode(header + samples).decode()


def _number(value: int, size_bytes: int = 4) -> bytes:
    return value.to_bytes(size_bytes, "little")
