"""Without this a picture that a client sent would be lost, or refused upstream for the way it was written."""

import base64
import zlib
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchgear.wire.framing.data_urls import (
    DataUrl,
    build_data_url,
    clean_base64,
    media_type_of,
    parse_data_url,
    sniff,
    sniff_base64,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + zlib.compress(bytes(range(256)))
CODED = base64.b64encode(PNG).decode()
HEADS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "image/avif": b"\0\0\0\x20ftypavif\0\0\0\0",
    "image/heic": b"\0\0\0\x20ftypheic\0\0\0\0",
    "application/pdf": b"%PDF-1.7\n",
    "audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "audio/mpeg": b"\xff\xfb\x90\x64\x00",
    "audio/aac": b"\xff\xf1\x50\x80",
    "audio/flac": b"fLaC\0\0\0\x22",
    "audio/ogg": b"OggS\0\x02",
    "audio/mp4": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "video/mp4": b"\0\0\0\x20ftypisom\0\0\0\0",
    "video/webm": b"\x1aE\xdf\xa3\x01",
}


@given(st.binary(min_size=1), st.sampled_from(["application/pdf", "audio/wav", "text/csv"]))
def test_what_was_built_is_read(data: bytes, media_type: str) -> None:
    coded = base64.b64encode(data).decode()
    assert parse_data_url(build_data_url(media_type, coded)) == DataUrl(media_type, coded)


@given(st.text())
@example("data:")
@example("data:,")
@example("data:;base64,")
@example("data:;;;base64;,%")
@example("DATA:a/b;base64,A")
@example("data:,\ud800")
@example("data:a/b;base64,%ff%ZZ")
def test_no_text_raises(text: str) -> None:
    for url in (text, "data:" + text, "data:image/png;base64," + text):
        parsed = parse_data_url(url)
        if parsed is not None:
            assert base64.b64decode(parsed.data, validate=True)
            assert parsed.media_type == media_type_of(parsed.media_type)


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{CODED}",
        f"  DATA:IMAGE/PNG;BASE64,{CODED}\n",
        f"data:image/png;charset=utf-8;base64,{CODED}",
        f"data:image/png;base64;name=a.png,{CODED}",
        f"data: image/png ; base64 ,{CODED.rstrip('=')}",
        f"data:image/png;base64,{CODED[:10]} \r\n{CODED[10:]}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}",
        f"data:image/png;base64,{quote(CODED, safe='')}",
        f"data:image/png,{quote(PNG)}",
        f"data:;base64,{CODED}",
        f"data:base64,{CODED}",
        f"data:png;base64,{CODED}",
        f"data:application/octet-stream;base64,{CODED}",
        f"data:image/jpeg;base64,{CODED}",
    ],
)
def test_spellings_of_one_picture(url: str) -> None:
    assert parse_data_url(url) == DataUrl("image/png", CODED)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,====",
        "data:image/png;base64,AAAAA",
        "data:image/png;base64,not?base64",
        "data:image/png;base64,AA=A",
        "",
    ],
)
def test_what_is_no_file_gives_none(url: str) -> None:
    assert parse_data_url(url) is None


def test_text_without_base64() -> None:
    assert parse_data_url("data:,a%20b") == DataUrl("text/plain", "YSBi")
    assert parse_data_url("data:text/html;charset=utf-8,é") == DataUrl("text/html", "w6k=")
    assert parse_data_url("data:;base64,YSBi") == DataUrl("application/octet-stream", "YSBi")


def test_a_picture_of_unknown_kind_keeps_its_claim() -> None:
    assert parse_data_url("data:image/bmp;base64,Qk0A") == DataUrl("image/bmp", "Qk0A")


def test_base64_that_is_right_is_the_very_same_text() -> None:
    assert clean_base64(CODED) is CODED


@given(st.binary(), st.data())
def test_base64_in_any_spelling(data: bytes, draw: st.DataObject) -> None:
    right = base64.b64encode(data).decode()
    coded = draw.draw(st.sampled_from([right, base64.urlsafe_b64encode(data).decode()]))
    coded = draw.draw(st.sampled_from([coded, coded.rstrip("=")]))
    at = draw.draw(st.integers(0, len(coded)))
    assert (
        clean_base64(coded[:at] + draw.draw(st.sampled_from(["", " ", "\r\n", "\t"])) + coded[at:]) == right
    )


@pytest.mark.parametrize("media_type", HEADS)
def test_kinds_of_files_by_their_first_bytes(media_type: str) -> None:
    head = HEADS[media_type]
    assert sniff(head) == media_type
    assert sniff_base64(base64.b64encode(head + b"x" * 100).decode()) == media_type


@given(st.binary(max_size=60))
@example(b"RIFF")
@example(b"\xff\xe0")
def test_bytes_of_no_kind_do_no_harm(head: bytes) -> None:
    assert sniff(head) in {"", "audio/aiff", "image/tiff", *HEADS, "video/x-msvideo", "video/quicktime"}
    assert sniff(b"plain text") == sniff(b"<!doctype html>") == sniff(b"") == ""


def test_names_of_media_types() -> None:
    assert media_type_of("Image/JPG; q=1") == "image/jpeg"
    assert media_type_of("audio/x-wav") == "audio/wav"
    assert media_type_of("jpeg") == media_type_of("") == media_type_of("a/b/c") == media_type_of("é/x") == ""
