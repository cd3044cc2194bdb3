"""Without this, one of the usual ways to write a base URL could end in /v1/v1, in no /v1 or elsewhere, and a
channel could speak a dialect that its host does not, or with the secret in a header that it does not read."""

import pytest

from switchgear.kernel.dialects import DIALECT_OF, DIALECTS
from switchgear.vendors.channel import BaseUrlError, ModelMapError, offered, resolve, served_models
from switchgear.vendors.env import channels_from_env
from switchgear.vendors.shipped import shipped

VENDORS = shipped().vendors
MODELS = shipped().models
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
    assert resolve(VENDORS[vendor], base_url, ["openai_chat"]).endpoints["openai_chat"] == chat_url


GEMINI = "/models/{model}"


@pytest.mark.parametrize(
    ("vendor", "base_url", "operation", "url"),
    [
        ("openai", "", "openai_responses", "https://api.openai.com/v1/responses"),
        ("anthropic", "", "anthropic_messages", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "", "anthropic_count_tokens", "https://api.anthropic.com/v1/messages/count_tokens"),
        ("anthropic", "https://p.example", "anthropic_messages", "https://p.example/v1/messages"),
        ("anthropic", "https://p.example/v1/messages", "anthropic_messages", "https://p.example/v1/messages"),
        ("anthropic", "https://p.example/claude", "anthropic_messages", "https://p.example/claude/messages"),
        (
            "gemini",
            "",
            "gemini_generate",
            "https://generativelanguage.googleapis.com/v1beta/models/{model}",
        ),
        ("gemini", "http://h", "gemini_embed", f"http://h/v1beta{GEMINI}"),
        ("gemini", "http://h", "openai_embeddings", "http://h/v1beta/openai/embeddings"),
        ("gemini", "http://h/v1beta", "openai_chat", "http://h/v1beta/openai/chat/completions"),
        ("gemini", "http://h/v1beta/openai", "gemini_generate", f"http://h/v1beta{GEMINI}"),
        ("gemini", "http://h/x/v1beta/openai/", "gemini_generate", f"http://h/x/v1beta{GEMINI}"),
        ("gemini", "http://h/v1beta/models", "gemini_generate", f"http://h/v1beta{GEMINI}"),
        ("gemini", "http://h/relay", "gemini_generate", f"http://h/relay{GEMINI}"),
        ("compatible", "http://h:9000", "anthropic_messages", "http://h:9000/v1/messages"),
        ("compatible", "http://h:9000/v1", "anthropic_messages", "http://h:9000/v1/messages"),
        ("compatible", "http://h:9000/v1/responses", "openai_responses", "http://h:9000/v1/responses"),
        ("compatible", "http://h:9000", "gemini_generate", f"http://h:9000/v1beta{GEMINI}"),
        ("compatible", "http://h:9000/v1beta", "gemini_generate", f"http://h:9000/v1beta{GEMINI}"),
        ("compatible", "http://h:9000/v1", "gemini_count_tokens", f"http://h:9000/v1beta{GEMINI}"),
        ("compatible", "http://h:9000/v1beta", "openai_chat", "http://h:9000/v1/chat/completions"),
        ("compatible", "http://h/relay/v1", "gemini_generate", f"http://h/relay/v1beta{GEMINI}"),
        ("compatible", "http://h/relay", "gemini_generate", f"http://h/relay{GEMINI}"),
        ("compatible", "http://h/relay", "anthropic_messages", "http://h/relay/messages"),
        ("deepseek", "", "anthropic_messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("deepseek", "http://h/v1", "anthropic_messages", "http://h/anthropic/v1/messages"),
        ("deepseek", "http://h/v1", "openai_responses", "http://h/v1/responses"),
        ("deepseek", "http://h/anthropic", "anthropic_messages", "http://h/anthropic/v1/messages"),
        ("deepseek", "http://h/anthropic/v1", "openai_chat", "http://h/chat/completions"),
        ("zhipu", "", "openai_responses", "https://open.bigmodel.cn/api/v1/responses"),
        ("zhipu", "", "anthropic_messages", "https://open.bigmodel.cn/api/anthropic/v1/messages"),
        (
            "zhipu",
            "https://api.z.ai/api/coding/paas/v4",
            "anthropic_messages",
            "https://api.z.ai/api/anthropic/v1/messages",
        ),
        ("xai", "", "anthropic_messages", "https://api.x.ai/v1/messages"),
    ],
)
def test_each_dialect_has_its_place_at_the_same_base_url(
    vendor: str, base_url: str, operation: str, url: str
) -> None:
    found = resolve(VENDORS[vendor], base_url, VENDORS[vendor].speaks())
    assert found.endpoints[operation] == url


def test_a_vendor_speaks_by_default_what_it_speaks_best() -> None:
    assert set(offered(VENDORS["openai"])) == {
        "openai_chat",
        "openai_completions",
        "openai_embeddings",
        "openai_responses",
    }
    assert set(offered(VENDORS["anthropic"])) == {"anthropic_messages", "anthropic_count_tokens"}
    assert set(offered(VENDORS["compatible"])) == {"openai_chat", "openai_completions", "openai_embeddings"}
    native = {"gemini_generate", "gemini_count_tokens", "gemini_embed"}
    assert set(offered(VENDORS["gemini"])) == {*native, "openai_embeddings"}
    assert set(offered(VENDORS["gemini"], ["openai_chat"])) == {"openai_chat", "openai_embeddings"}


def test_dialects_say_what_the_host_speaks_and_operations_leave_some_of_it() -> None:
    server = VENDORS["compatible"]
    assert set(offered(server, ["anthropic_messages"])) == {"anthropic_messages", "anthropic_count_tokens"}
    assert set(offered(server, DIALECTS)) == set(DIALECT_OF)
    only = ["anthropic_messages", "openai_chat"]
    assert offered(server, ["anthropic_messages"], only) == ("anthropic_messages",)
    assert set(resolve(server, "http://h", ["anthropic_messages"], only).endpoints) == {"anthropic_messages"}


def test_the_secret_goes_into_the_header_that_each_dialect_reads() -> None:
    every = resolve(VENDORS["compatible"], "http://h", DIALECTS)
    assert (every.auth_header, every.auth_prefix) == ("authorization", "Bearer ")
    assert every.auths == {
        "anthropic_messages": ("x-api-key", ""),
        "anthropic_count_tokens": ("x-api-key", ""),
        "gemini_generate": ("x-goog-api-key", ""),
        "gemini_count_tokens": ("x-goog-api-key", ""),
        "gemini_embed": ("x-goog-api-key", ""),
    }
    version = (("anthropic-version", "2023-06-01"),)
    assert every.headers_of == {"anthropic_messages": version, "anthropic_count_tokens": version}
    claude = resolve(VENDORS["anthropic"], "", ["openai_chat", "anthropic_messages"])
    assert (claude.auth_header, claude.auths) == ("x-api-key", {"openai_chat": ("authorization", "Bearer ")})
    google = resolve(VENDORS["gemini"])
    assert google.auth_header == "x-goog-api-key"
    assert google.auths == {"openai_embeddings": ("authorization", "Bearer ")}


@pytest.mark.parametrize("name", sorted(VENDORS))
@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/",
        "/v1/chat/completions",
        "/x/v1",
        "/api/v3",
        "/v1beta",
        "/v1/messages",
        "/anthropic",
    ],
)
def test_no_way_of_writing_it_doubles_a_part(name: str, path: str) -> None:
    vendor = VENDORS[name]
    resolved = resolve(vendor, f"http://h{path}", vendor.speaks())
    again = resolve(vendor, resolved.base_url, vendor.speaks())
    assert again == resolved
    for operation, url in resolved.endpoints.items():
        if DIALECT_OF[operation] not in vendor.doors:
            assert url == resolved.base_url + vendor.endpoints[operation]
        assert url.endswith(vendor.endpoints[operation])
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


def test_a_channel_serves_what_the_catalogue_lists_under_its_vendors_names() -> None:
    found = served_models(VENDORS["minimax"], MODELS)
    assert set(found) == {model.id for model in shipped().models_of("minimax")}
    assert (found["minimax-m2"], found["MiniMax-M2"]) == ("MiniMax-M2", "MiniMax-M2")
    assert served_models(VENDORS["compatible"], MODELS) == {}


def test_an_operators_choice_and_map_stand_above_the_catalogue() -> None:
    chosen = served_models(VENDORS["minimax"], MODELS, ["minimax-m2", "of-my-own"], {"minimax-m2": "tuned"})
    assert chosen == {"minimax-m2": "tuned", "of-my-own": "of-my-own"}
    assert served_models(VENDORS["compatible"], MODELS, ["minimax-m2"]) == {"minimax-m2": "minimax-m2"}
    assert served_models(VENDORS["compatible"], MODELS, None, {"a": "b", "b": "c", "c": "c"})["a"] == "c"


def test_a_model_map_that_leads_in_a_circle_is_refused() -> None:
    with pytest.raises(ModelMapError, match="a → b → a"):
        served_models(VENDORS["compatible"], MODELS, ["a"], {"a": "b", "b": "a"})
