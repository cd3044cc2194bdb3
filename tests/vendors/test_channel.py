"""Without this, one of the usual ways to write a base URL could end in /v1/v1, in no /v1 or elsewhere."""

import pytest

from switchgear.vendors.channel import BaseUrlError, resolve
from switchgear.vendors.env import channels_from_env
from switchgear.vendors.shipped import shipped

VENDORS = shipped().vendors
CHAT = "/chat/completions"


@pytest.mark.parametrize(
    ("vendor", "base_url", "chat_url"),
    [
        ("openai", "", "https://api.openai.com/v1/chat/completions"),
        ("anthropic", "", "https://api.anthropic.com/v1/chat/completions"),
        ("gemini", "", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("deepseek", "", "https://api.deepseek.com/chat/completions"),
        ("zhipu", "", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("ark", "", "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
        ("dashscope", "", "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"),
        ("compatible", "http://h:9000", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1/", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1//", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1/chat/completions", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1/chat/completions/", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1/completions", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/v1/embeddings", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h:9000/chat/completions", "http://h:9000/v1/chat/completions"),
        (
            "compatible",
            "  https://H.Example/relay/openai  ",
            "https://h.example/relay/openai/chat/completions",
        ),
        ("compatible", "HTTP://h:9000", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://[::1]:9000", "http://[::1]:9000/v1/chat/completions"),
        ("openai", "https://proxy.example", "https://proxy.example/v1/chat/completions"),
        ("openai", "https://proxy.example/v1", "https://proxy.example/v1/chat/completions"),
        ("zhipu", "https://api.z.ai", "https://api.z.ai/api/paas/v4/chat/completions"),
        (
            "zhipu",
            "https://api.z.ai/api/coding/paas/v4",
            "https://api.z.ai/api/coding/paas/v4/chat/completions",
        ),
        ("deepseek", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1/chat/completions"),
        ("local", "http://127.0.0.1:40123", "http://127.0.0.1:40123/v1/chat/completions"),
    ],
)
def test_a_base_url_is_read_as_it_was_meant(vendor: str, base_url: str, chat_url: str) -> None:
    assert resolve(VENDORS[vendor], base_url).endpoints["openai_chat"] == chat_url


@pytest.mark.parametrize("name", sorted(VENDORS))
@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/x/v1", "/api/v3"])
def test_no_way_of_writing_it_doubles_a_part(name: str, path: str) -> None:
    resolved = resolve(VENDORS[name], f"http://h{path}")
    again = resolve(VENDORS[name], resolved.base_url)
    assert again == resolved
    for operation, url in resolved.endpoints.items():
        assert url == resolved.base_url + VENDORS[name].endpoints[operation]
        assert "/v1/v1" not in url
        assert "//" not in url.removeprefix("http://")
        assert url.count(CHAT) <= 1


@pytest.mark.parametrize(
    "base_url",
    [
        "h:9000",
        "//h/v1",
        "ftp://h",
        "http://",
        "http:///v1",
        "http://h:99999",
        "http://h:0",
        "http://[::1",
        "http://h/v1?key=sekret",
        "http://h/v1#x",
        "http://me:sekret@h/v1",
        "http://h/v 1",
        "http://h/\x00v1",
        "https",
    ],
)
def test_what_is_not_a_base_url_is_refused_without_showing_a_secret(base_url: str) -> None:
    with pytest.raises(BaseUrlError) as caught:
        resolve(VENDORS["compatible"], base_url)
    assert "sekret" not in str(caught.value)


def test_a_vendor_without_a_home_asks_for_one_and_the_embedded_one_waits() -> None:
    with pytest.raises(BaseUrlError, match="needs a base URL"):
        resolve(VENDORS["compatible"])
    assert resolve(VENDORS["local"]).endpoints == {}


def test_carries_the_vendors_auth_and_edits() -> None:
    found = resolve(VENDORS["mistral"])
    assert (found.auth_header, found.auth_prefix, found.asks_usage) == ("authorization", "Bearer ", False)
    assert "stream_options" in found.drop["openai_chat"]
    assert found.rename["openai_chat"]["max_completion_tokens"] == "max_tokens"
    plain = resolve(VENDORS["openai"])
    assert (plain.drop, plain.rename, plain.headers, plain.asks_usage) == ({}, {}, (), True)


def test_finds_the_keys_that_lie_in_the_environment() -> None:
    environ = {
        "OPENAI_API_KEY": "sk-a",
        "GOOGLE_API_KEY": "g",
        "MISTRAL_API_KEY": "  ",
        "GROQ_API_KEY": "",
        "PATH": "/bin",
        "ZHIPU_API_KEY": "second",
        "ZHIPUAI_API_KEY": "first",
    }
    assert channels_from_env(environ, VENDORS) == [
        ("gemini", "GOOGLE_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
        ("zhipu", "ZHIPUAI_API_KEY"),
    ]
    assert channels_from_env({}, VENDORS) == []
