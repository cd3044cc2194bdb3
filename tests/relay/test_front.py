"""Without this, a client with another base URL, place for its key, or proxy in front would be refused."""

import pytest

from switchgear.kernel.errors import ApiError
from switchgear.kernel.ids import KEY_LENGTH
from switchgear.kernel.limits import QUERY_FIELDS_MAX
from switchgear.relay.addresses import client_address, is_within, parse_address, parse_networks
from switchgear.relay.credentials import api_key_of
from switchgear.relay.query import query_fields
from switchgear.relay.replies import go_duration, preflight_headers
from switchgear.relay.room import Holding
from switchgear.relay.routes import dialect_of_path, find_route
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.framing.fields import read_fields


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/v1/v1/chat/completions", "openai_chat"),
        ("/v1/chat/completions/", "openai_chat"),
        ("//v1//chat/completions", "openai_chat"),
        ("/v1/completions", "openai_completions"),
        ("/embeddings", "openai_embeddings"),
        ("/v1/models", "models"),
        ("/models/", "models"),
        ("/v1beta/openai/chat/completions", "openai_chat"),
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/openai/chat/completions", "openai_chat"),
        ("/api/v1/chat/completions", "openai_chat"),
        ("/api/openai/v1/embeddings", "openai_embeddings"),
        ("/openai/v1/responses", "openai_responses"),
        ("/anthropic/v1/messages", "anthropic_messages"),
        ("/anthropic/messages/", "anthropic_messages"),
        ("/api/v1/messages", "anthropic_messages"),
        ("/gemini/v1beta/models/m:generateContent", "gemini_generate"),
        ("/openai/deployments/m/chat/completions", "openai_chat"),
        ("/openai/deployments/m/completions", "openai_completions"),
        ("/openai/deployments/m/embeddings", "openai_embeddings"),
        ("/", "root"),
        ("/health", "readyz"),
        ("/healthz", "readyz"),
        ("/livez", "livez"),
        ("/metrics", "metrics"),
    ],
)
def test_spellings_of_a_path_reach_one_handler(path: str, operation: str) -> None:
    route = find_route(path)
    assert route is not None
    assert (route.relayed or route.page) == operation


def test_a_model_name_may_hold_slashes_and_escapes() -> None:
    route = find_route("/v1/models/vendor%2Fone/two")
    assert route is not None
    assert (route.page, route.model) == ("model", "vendor/one/two")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/m/chat/completions", "m"),
        ("/openai/deployments/vendor%2Fone/chat/completions", "vendor/one"),
        ("/openai/deployments/vendor/one/embeddings", "vendor/one"),
    ],
)
def test_a_deployment_is_the_model(path: str, model: str) -> None:
    route = find_route(path)
    assert route is not None
    assert route.in_path.model == model
    fields = read_fields(b'{"model":"another"}')
    assert DIALECT_OF["openai_chat"].read_model(fields, route.in_path) == model


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/models/x",
        "/v1beta/models/x",
        "/v1/models/models%2Fx",
        "/v1beta/openai/models/models/x",
    ],
)
def test_a_listed_name_behind_models_is_the_model(path: str) -> None:
    route = find_route(path)
    assert route is not None
    assert (route.page, route.model) == ("model", "x")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/models", None),
        ("/nothing", None),
        ("/v1beta/models", "gemini_generate"),
        ("/v1beta/openai/models", "openai_chat"),
        ("/openai/v1/models", "openai_chat"),
        ("/anthropic/v1/models", "anthropic_messages"),
        ("/v1/messages/nothing", "anthropic_messages"),
        ("/gemini/v1/models", "gemini_generate"),
    ],
)
def test_a_path_shows_its_dialect(path: str, dialect: str | None) -> None:
    assert dialect_of_path(path) == dialect


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/v1/models",
        "/v1/livez",
        "/v1/health",
        "/v1",
        "/openai",
        "/anthropic/v1",
        "/api/api/api/v1/models",
        "/v2/models",
        "/v1/chat",
        "/v1/completions/x",
        "/openai/deployments/m",
        "/openai/deployments/m/images",
    ],
)
def test_other_paths_are_unknown(path: str) -> None:
    assert find_route(path) is None


class Request:
    method, path, peer_ip = "POST", "/v1/chat/completions", "127.0.0.1"

    def __init__(self, headers: dict[str, str], query: str = "") -> None:
        self._headers = headers
        self.query = query

    def header(self, name: str) -> str | None:
        return self._headers.get(name)

    async def read_body(self, bytes_max: int, holding: Holding) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer sk-a"}, ""),
        ({"authorization": "bearer  sk-a "}, ""),
        ({"authorization": "sk-a"}, ""),
        ({"x-api-key": "sk-a"}, ""),
        ({"x-goog-api-key": "sk-a"}, ""),
        ({"api-key": "sk-a"}, ""),
        ({}, "alt=sse&key=sk-a"),
        ({"sec-websocket-protocol": "realtime, openai-insecure-api-key.sk-a"}, ""),
        ({"authorization": "Basic abc", "x-api-key": "sk-a"}, ""),
        ({"authorization": "BEARER sk-a"}, ""),
        ({"authorization": "Bearer\tsk-a"}, ""),
        ({"authorization": "Bearer: sk-a"}, ""),
        ({"authorization": "Bearer Bearer sk-a"}, ""),
        ({"authorization": "Token sk-a"}, ""),
        ({"authorization": 'Bearer "sk-a"'}, ""),
        ({"authorization": '"Bearer sk-a"'}, ""),
        ({"authorization": "Bearer 'sk-a' "}, ""),
        ({"authorization": '"sk-a"'}, ""),
        ({"x-api-key": "Bearer sk-a"}, ""),
        ({"x-api-key": " 'sk-a' "}, ""),
        ({"x-goog-api-key": '"sk-a"'}, ""),
        ({"api-key": "bearer sk-a"}, ""),
        ({"authorization": "Bearer undefined", "x-api-key": "sk-a"}, ""),
        ({"authorization": "Bearer null", "x-goog-api-key": "sk-a"}, ""),
        ({"authorization": "Bearer", "x-api-key": "sk-a"}, ""),
        ({"authorization": "Bearer ", "x-api-key": "None", "api-key": "sk-a"}, ""),
        ({"x-api-key": "undefined"}, "key=%22sk-a%22"),
    ],
)
def test_the_key_is_found_in_every_known_place(headers: dict[str, str], query: str) -> None:
    assert api_key_of(Request(headers, query)) == "sk-a"


def test_of_two_keys_the_one_in_our_form_counts() -> None:
    own = f"sk-{'a' * KEY_LENGTH}"
    assert api_key_of(Request({"authorization": "Bearer dummy", "x-api-key": own})) == own
    assert api_key_of(Request({"authorization": f"Bearer {own}", "x-api-key": "dummy"})) == own


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_that_comes_twice_is_refused_as_a_key(header: str) -> None:
    with pytest.raises(ApiError) as refusal:
        api_key_of(Request({header: "Bearer sk-a, Bearer sk-b"}))
    assert refusal.value.row.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic abc"},
        {"x-api-key": " "},
        {"authorization": "Bearer undefined"},
        {"authorization": "Bearer Bearer"},
        {"authorization": 'Bearer ""'},
    ],
)
def test_no_key_is_said_to_be_none(headers: dict[str, str]) -> None:
    with pytest.raises(ApiError) as refusal:
        api_key_of(Request(headers, "monkey=1"))
    assert refusal.value.row.name == "no_key"


TRUSTED = parse_networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, nonsense", "unknown"),
        ("10.0.0.1", "1.2.3.4:4711", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
    ],
)
def test_only_a_trusted_proxy_is_believed_and_only_about_its_own_peer(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert client_address(peer, forwarded, TRUSTED) == address


def test_networks_hold_mapped_and_scoped_addresses() -> None:
    loopback = parse_networks(["127.0.0.0/8", "::1"])
    assert is_within(parse_address("::ffff:127.0.0.9"), loopback)
    assert is_within(parse_address("[::1]"), loopback)
    assert not is_within(parse_address("128.0.0.1"), loopback)
    assert not is_within(parse_address("localhost"), loopback)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (120_000_000, "120ms"),
        (1_000_000_000, "1s"),
        (8_640_000_000, "8.64s"),
        (60_000_000_000, "1m0s"),
        (360_500_000_000, "6m0.5s"),
    ],
)
def test_durations_are_written_as_clients_read_them(ns: int, text: str) -> None:
    assert go_duration(ns) == text


def test_a_preflight_allows_what_was_asked_but_nothing_strange() -> None:
    assert ", x-new-header" in dict(preflight_headers("id", "x-new-header"))["access-control-allow-headers"]
    assert "\r" not in dict(preflight_headers("id", "a\r\nx: y"))["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("path", "method", "below"),
    [
        ("/v1/responses/resp_1", "GET", ""),
        ("/responses/resp_1/", "DELETE", ""),
        ("/v1/v1/responses/resp_1/cancel", "POST", "cancel"),
        ("/v1//responses/resp_1/input_items", "GET", "input_items"),
    ],
)
def test_a_stored_response_is_found_by_its_id(path: str, method: str, below: str) -> None:
    route = find_route(path)
    assert route is not None
    assert method in route.methods
    assert (route.page, route.response_id, route.below) == ("response", "resp_1", below)
    assert route.dialect == "openai_responses"


def test_words_below_responses_are_no_ids() -> None:
    compact, count = find_route("/v1/responses/compact"), find_route("/v1/responses/input_tokens")
    assert compact is not None
    assert count is not None
    assert (compact.relayed, compact.in_path.verb) == ("openai_responses", "compact")
    assert (count.page, count.counts, count.in_path.verb) == ("count", "openai_responses", "input_tokens")
    assert find_route("/v1/responses/resp_1/elsewhere") is None


def test_a_query_of_very_many_parameters_is_refused_and_no_fault_of_ours() -> None:
    query = "&".join(f"a{n}=1" for n in range(QUERY_FIELDS_MAX + 1))
    with pytest.raises(ApiError, match="too many parameters; at most 64 are allowed") as refused:
        query_fields(query)
    assert refused.value.row.status == 400
    with pytest.raises(ApiError, match="too many parameters"):
        api_key_of(Request({}, f"{query}&key=sk-a"))
