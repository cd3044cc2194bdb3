"""Without this, a vendor file with a typo would load, and its channels fail or send a secret elsewhere."""

from pathlib import Path

import pytest

from switchgear.catalog.document import CatalogError
from switchgear.vendors.loader import load_vendors
from switchgear.vendors.shipped import load_folders, shipped

FULL = """
name = "acme"
title = "Acme"
base_url = "https://api.acme.example/openai/v1/"
env = ["ACME_API_KEY", "ACME_KEY"]
auth = { scheme = "header", header = "x-acme-key", prefix = "Key " }
headers = { x-acme-version = "2" }
dialects = ["anthropic_messages"]
always = ["openai_chat"]
other_base_paths = ["/v2"]
[endpoints]
openai_chat = "/chat/completions"
anthropic_messages = "/messages"
gemini_generate = "/models/{model}"
[doors.anthropic_messages]
base_path = "/claude/v1"
auth = { scheme = "bearer" }
headers = { x-of-door = "3" }
[quirks]
asks_usage = false
[quirks.openai_chat]
drop = ["logprobs"]
rename = { max_completion_tokens = "max_tokens" }
"""


def load(text: str, file: str = "acme.toml") -> None:
    load_vendors({file: text})


def test_reads_every_key() -> None:
    vendor = load_vendors({"acme.toml": FULL})["acme"]
    assert (vendor.title, vendor.base_url, vendor.base_path) == (
        "Acme",
        "https://api.acme.example/openai/v1",
        "/openai/v1",
    )
    assert (vendor.auth_header, vendor.auth_prefix) == ("x-acme-key", "Key ")
    assert vendor.headers == (("x-acme-version", "2"),)
    assert vendor.endpoints == {
        "openai_chat": "/chat/completions",
        "anthropic_messages": "/messages",
        "gemini_generate": "/models/{model}",
    }
    assert (vendor.dialects, vendor.always) == (("anthropic_messages",), ("openai_chat",))
    assert vendor.speaks() == ("openai_chat", "anthropic_messages", "gemini_generate")
    assert vendor.other_base_paths == ("/v2",)
    door = vendor.doors["anthropic_messages"]
    assert (door.base_path, door.auth) == ("/claude/v1", ("authorization", "Bearer "))
    assert door.headers == (("x-of-door", "3"),)
    assert vendor.quirks["openai_chat"].drop == ("logprobs",)
    assert vendor.quirks["openai_chat"].rename == {"max_completion_tokens": "max_tokens"}
    assert vendor.env == ("ACME_API_KEY", "ACME_KEY")
    assert not vendor.asks_usage


def test_leaves_out_what_a_file_leaves_out() -> None:
    text = 'name = "a"\ntitle = "A"\nbase_url = "https://a.example"\n[endpoints]\nopenai_chat = "/chat"\n'
    vendor = load_vendors({"a.toml": text})["a"]
    assert (vendor.auth_header, vendor.auth_prefix) == ("authorization", "Bearer ")
    assert (vendor.base_path, vendor.quirks, vendor.headers, vendor.asks_usage) == ("", {}, (), True)
    assert (vendor.dialects, vendor.always, vendor.doors) == (("openai_chat",), (), {})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('title = "Acme"', 'titel = "Acme"', ['"titel"', 'mean "title"']),
        ('drop = ["logprobs"]', 'drops = ["logprobs"]', ["quirks.openai_chat", '"drops"', 'mean "drop"']),
        ("asks_usage = false", "ask_usage = false", ["quirks", 'mean "asks_usage"']),
        ("[quirks.openai_chat]", "[quirks.openai_chats]", ["quirks", 'mean "openai_chat"']),
        ("openai_chat = ", "openai_chatt = ", ["endpoints", 'mean "openai_chat"']),
        ("[quirks.openai_chat]", "[quirks.openai_embeddings]", ["openai_embeddings", "no such endpoint"]),
        ('["logprobs"]', '["messages"]', ['"messages"', "may touch"]),
        ('= "max_tokens"', '= "model"', ['"model"', "may touch"]),
        ('= "max_tokens"', '= "logprobs"', ["dropped or renamed"]),
        ('["logprobs"]', '[""]', ["not a key"]),
        ('"/chat/completions"', '"chat/completions"', ["endpoints.openai_chat", "not a path"]),
        ('"/chat/completions"', '"/chat?x=1"', ["not a path"]),
        ('"/models/{model}"', '"/models"', ["endpoints.gemini_generate", "{model}"]),
        ('"/messages"', '"/messages/{model}"', ["endpoints.anthropic_messages", "not a path"]),
        ('dialects = ["anth', 'dialects = ["oanth', ["dialects", "oanthropic_messages"]),
        ('dialects = ["anthropic_messages"]', 'dialects = ["openai_responses"]', ["no endpoint"]),
        ('always = ["openai_chat"]', 'always = ["openai_embeddings"]', ["always", "no endpoint"]),
        ('["/v2"]', '["v2"]', ["other_base_paths", "not a path"]),
        ("[doors.anthropic_messages]", "[doors.openai_responses]", ["doors.openai_responses", "no endpoint"]),
        ("[doors.anthropic_messages]", "[doors.anthropic]", ["doors", "anthropic"]),
        ('"/claude/v1"', '"claude"', ["doors.anthropic_messages.base_path", "not a path"]),
        ("x-of-door", "x-acme-version", ["doors.anthropic_messages.headers", "already"]),
        ("x-of-door", "authorization", ["doors.anthropic_messages.headers.authorization"]),
        ("https://", "http://", ["base_url", "https"]),
        ("https://api", "https://user:pw@api", ["base_url"]),
        ('scheme = "header"', 'scheme = "headers"', ["auth.scheme", "headers"]),
        ('scheme = "header"', 'scheme = "none"', ["auth", "belong to scheme"]),
        ('header = "x-acme-key"', 'header = "X Key"', ["auth.header", "X Key"]),
        ("x-acme-version", "content-length", ["headers.content-length"]),
        ("x-acme-version", "x-acme-key", ["headers.x-acme-key"]),
        ('= "2"', '= "2\\r\\nx: y"', ["printable"]),
        ("ACME_KEY", "acme-key", ["env", "acme-key"]),
        ('name = "acme"', 'name = "Acme"', ["name", "lower-case"]),
        ('name = "acme"', 'name = "other"', ["other.toml"]),
        ('title = "Acme"', 'title = "Acme"\nbase_path = "/v1"', ["base_path"]),
        ('name = "acme"', "", ['"name" is missing']),
    ],
)
def test_a_bad_file_is_refused_by_name_place_and_remedy(old: str, new: str, says: list[str]) -> None:
    assert old in FULL
    with pytest.raises(CatalogError) as caught:
        load(FULL.replace(old, new))
    assert str(caught.value).startswith("acme.toml: ")
    for words in says:
        assert words in str(caught.value)


def test_a_vendor_without_any_endpoint_is_refused() -> None:
    with pytest.raises(CatalogError, match="at least one endpoint"):
        load('name = "acme"\ntitle = "A"\nbase_url = "https://a.example"\n[endpoints]\n')


def test_a_broken_file_stops_the_load_and_does_not_vanish(tmp_path: Path) -> None:
    for folder in ("models", "prices", "vendors"):
        (tmp_path / folder).mkdir()
    (tmp_path / "vendors" / "acme.toml").write_text("name = ")
    with pytest.raises(CatalogError, match=r"acme\.toml: not TOML"):
        load_folders(tmp_path, tmp_path / "vendors")


@pytest.mark.parametrize(
    ("vendor", "endpoints", "says"),
    [
        ("acne", "openai_chat", 'did you mean "acme"'),
        ("acme", "openai_embeddings", "serves none of its endpoints"),
    ],
)
def test_models_are_checked_against_vendors(tmp_path: Path, vendor: str, endpoints: str, says: str) -> None:
    for folder in ("models", "prices", "vendors"):
        (tmp_path / folder).mkdir()
    (tmp_path / "vendors" / "acme.toml").write_text(FULL)
    head = f'vendor = "{vendor}"\nowned_by = "o"\nendpoints = ["{endpoints}"]\n'
    (tmp_path / "models" / "m.toml").write_text(head + '[models."a"]\n')
    with pytest.raises(CatalogError, match=says):
        load_folders(tmp_path, tmp_path / "vendors")


def test_every_shipped_vendor_is_whole() -> None:
    for name, vendor in shipped().vendors.items():
        assert vendor.title
        assert "openai_chat" in vendor.endpoints
        assert bool(vendor.env) == (name not in ("compatible", "local"))
        assert bool(vendor.base_url) == (name not in ("compatible", "local"))
        assert bool(vendor.auth_header) == (name != "local")


def test_no_two_vendors_read_the_same_variable() -> None:
    names = [variable for vendor in shipped().vendors.values() for variable in vendor.env]
    assert len(names) == len(set(names))
