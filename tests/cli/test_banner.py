"""The text of a start. Without this, a newcomer could see no key, a key too often, or a line that fails."""

import shlex
from pathlib import Path

import msgspec
import pytest

from switchgear.cli.banner import Started, address, banner

KEY = "sk-" + "a" * 48
FIRST = Started(
    version="1.2.3",
    host="127.0.0.1",
    port=8080,
    workers=2,
    data=Path("data"),
    created_keys=(("default", KEY),),
    known_keys=(("default", "sk-…aaaa"),),
    admin="admin",
    admin_password="word",
    models=("big", "small"),
    unpriced=(),
    from_environment=(("openai", "OPENAI_API_KEY"),),
    embedded_models=("small",),
    example=(KEY, "small"),
)
LATER = msgspec.structs.replace(
    FIRST, created_keys=(), admin_password=None, example=("$SWITCHGEAR_KEY", "small")
)


def test_a_first_start_shows_key_and_password_in_full() -> None:
    text = banner(FIRST)
    assert "http://127.0.0.1:8080/v1" in text
    assert KEY in text
    assert "admin / word" in text
    assert "channel openai from OPENAI_API_KEY" in text
    assert str(Path("data").absolute()) in text


def test_the_curl_line_is_one_line_that_a_shell_reads_as_meant() -> None:
    (line,) = [line for line in banner(FIRST).splitlines() if "curl" in line]
    words = shlex.split(line)
    assert words[0] == "curl"
    assert f"Authorization: Bearer {KEY}" in words
    assert msgspec.json.decode(words[words.index("-d") + 1])["model"] == "small"


def test_a_later_start_masks_both_and_says_how_to_make_another_key() -> None:
    text = banner(LATER)
    assert KEY not in text
    assert "sk-…aaaa (default)" in text
    assert "switchgear keys create" in text
    assert "password shown at the first start" in text
    assert '"Authorization: Bearer $SWITCHGEAR_KEY"' in text


def test_many_models_are_counted_not_listed() -> None:
    models = tuple(f"m{n:02}" for n in range(40))
    text = banner(msgspec.structs.replace(FIRST, models=models, embedded_models=()))
    assert "m11 and 28 more" in text
    assert "m12" not in text


def test_a_server_without_keys_or_models_says_what_to_do() -> None:
    bare = msgspec.structs.replace(LATER, known_keys=(), models=(), example=None, unpriced=("x",))
    text = banner(bare)
    assert "none yet: switchgear keys create" in text
    assert "curl" not in text
    assert "x: refused until they have a price" in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("h", "http://h:1"),
    ],
)
def test_the_address_is_one_that_can_be_called(host: str, url: str) -> None:
    assert address(host, 1) == url
