"""Without this, clients that compress their requests would be told that their JSON is broken, and a small
body could become a large one in memory."""

import gzip
import zlib

import pytest

from switchgear.kernel.errors import BAD_JSON, INVALID_TYPE, ApiError
from switchgear.relay.body import blame_media_type, decode_body
from switchgear.relay.room import Holding, Room

BYTES_MAX = 1 << 20
ROOM_BYTES = 4 * BYTES_MAX
BODY = b'{"model":"m","messages":[]}' * 5000


def holding() -> Holding:
    return Holding(Room(ROOM_BYTES, "request bodies"), "key")


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("gzip", gzip.compress(BODY)),
        (" X-GZIP ", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, wbits=-15)),
        ("identity", BODY),
    ],
)
async def test_known_codings_are_taken_off(coding: str, sent: bytes) -> None:
    assert await decode_body(sent, coding, BYTES_MAX, holding()) == BODY


@pytest.mark.parametrize(
    ("coding", "sent", "row", "status"),
    [
        ("br", BODY, "unsupported_encoding", 415),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), "unsupported_encoding", 415),
        ("gzip", BODY, "bad_encoding", 400),
        ("gzip", gzip.compress(BODY)[:-9], "bad_encoding", 400),
        ("deflate", zlib.compress(BODY) + b"x", "bad_encoding", 400),
        ("gzip", gzip.compress(b"a" * (BYTES_MAX + 1)), "body_too_large", 413),
    ],
)
async def test_what_can_not_be_decoded_is_refused(coding: str, sent: bytes, row: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        await decode_body(sent, coding, BYTES_MAX, holding())
    assert (caught.value.row.name, caught.value.row.status) == (row, status)


@pytest.mark.parametrize(
    ("content_type", "row"),
    [
        ("multipart/form-data; boundary=x", "unsupported_media"),
        ("application/x-www-form-urlencoded", "unsupported_media"),
        ("application/json; charset=utf-8", "bad_json"),
        ("application/vnd.api+json", "bad_json"),
        ("", "bad_json"),
        (None, "bad_json"),
    ],
)
def test_a_body_that_is_no_json_and_says_so_is_blamed_for_its_type(
    content_type: str | None, row: str
) -> None:
    assert blame_media_type(ApiError(BAD_JSON, "no"), content_type).row.name == row


def test_other_errors_keep_their_name() -> None:
    error = ApiError(INVALID_TYPE, "no")
    assert blame_media_type(error, "text/plain") is error
