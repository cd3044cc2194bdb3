"""Each kind of mistake in a configuration file, told with its line, key and suggestion.

Without these, a wrong file would start a server that refuses, overcharges or serves for free at noon.
"""

from pathlib import Path

import msgspec
import pytest

from switchgear.config.check import Known, check, load
from switchgear.config.parse import parse
from switchgear.config.problem import ConfigProblem, closest, has_errors
from switchgear.vendors.shipped import shipped

KNOWN = Known(
    models={"openai": ("gpt-5.2", "gpt-4o-mini"), "compatible": (), "local": ("smollm2-135m-instruct",)},
    priced=frozenset({"gpt-5.2", "gpt-4o-mini", "smollm2-135m-instruct"}),
    without_url=frozenset({"compatible"}),
    without_key=frozenset({"local"}),
    vendors=shipped().vendors,
)
KEY = "sk-" + "a1B2" * 12
GOOD = f"""\
[server]
host = "127.0.0.1"
port = 8080
workers = 2
[[groups]]
name = "default"
ratio = "1.0"
[[users]]
name = "acme"
balance_usd = "10"
[[keys]]
name = "ci"
user = "acme"
key = "{KEY}"
group = "default"
quota_usd = "5"
models = ["gpt-5.2"]
allow_ips = ["127.0.0.0/8", "2001:db8::/32", "::1"]
rpm = 600
expires_at = 2027-01-01T00:00:00
[[channels]]
name = "main"
vendor = "openai"
base_url = "http://127.0.0.1:9000/v1/"
keys = ["sk-upstream"]
models = ["gpt-5.2", "gpt-4o-mini"]
model_map = {{ "gpt-5.2" = "gpt-5.2-2025-12-11" }}
groups = ["default"]
priority = 0
weight = 1
[[prices]]
model = "gpt-5.2"
input_usd_per_mtok = "1.75"
cache_read_usd_per_mtok = "0.175"
output_usd_per_mtok = "14"
"""


def problems_of(text: str, environ: dict[str, str] | None = None) -> tuple[ConfigProblem, ...]:
    return check(parse(text, "f.toml"), "f.toml", environ or {}, KNOWN).problems


def test_the_documented_shape_has_no_problem_and_gives_integers() -> None:
    checked = check(parse(GOOD, "f.toml"), "f.toml", {}, KNOWN)
    assert checked.problems == ()
    config = checked.config
    assert config.users[0].balance_nanos == 10_000_000_000
    assert config.keys[0].quota_nanos == 5_000_000_000
    assert config.keys[0].expires_at_ms == 1_798_761_600_000
    assert config.channels[0].base_url == "http://127.0.0.1:9000/v1"
    assert config.prices[0].rates == {
        "input_uncached": 1_750_000_000,
        "cache_read": 175_000_000,
        "output_text": 14_000_000_000,
    }


CASES = [
    # (replace, by, line, key, part of the message, part of the suggestion)
    ("port = 8080", "prot = 8080", 3, "server.prot", "not a key", '"port"'),
    ("[[users]]", "[[user]]", 8, "user", "not a known table", '"users"'),
    ("port = 8080", "port = 65536", 3, "server.port", "between 0 and 65535", ""),
    ("port = 8080", 'port = "8080"', 3, "server.port", "must be an integer", "without quotes"),
    ("port = 8080", "port = true", 3, "server.port", "not a boolean", ""),
    ("workers = 2", "workers = 17", 4, "server.workers", "between 1 and 16", ""),
    ("workers = 2", "workers = 0", 4, "server.workers", "between 1 and 16", ""),
    ("rpm = 600", "rpm = -1", 19, "keys[0].rpm", "between 0", ""),
    ('ratio = "1.0"', "ratio = 1.0", 7, "groups[0].ratio", "quoted decimals", '"1.0" with quotes'),
    ('ratio = "1.0"', 'ratio = "-1"', 7, "groups[0].ratio", "negative", ""),
    ('balance_usd = "10"', "balance_usd = 10", 10, "users[0].balance_usd", "quoted", '"10" with quotes'),
    ('balance_usd = "10"', 'balance_usd = "ten"', 10, "users[0].balance_usd", "decimal number", '"1.75"'),
    ('balance_usd = "10"', 'balance_usd = "1e9999999999"', 10, "users[0].balance_usd", "", ""),
    ('quota_usd = "5"', 'quota_usd = "0.0000000001"', 16, "keys[0].quota_usd", "decimal places", ""),
    (f'key = "{KEY}"', 'key = "sk-short"', 14, "keys[0].key", "48 letters and digits", "keys create"),
    ('user = "acme"', 'user = "acne"', 13, "keys[0].user", 'no user "acne"', '"acme"'),
    ('group = "default"', 'group = "gold"', 15, "keys[0].group", 'no group "gold"', "[[groups]]"),
    ('user = "acme"\n', "", 11, "keys[0]", "has no user", ""),
    ('"2001:db8::/32"', '"10.0.0.1/8"', 18, "keys[0].allow_ips[1]", "right of its mask", '"10.0.0.0/8"'),
    ('"2001:db8::/32"', '"300.1.1.1"', 18, "keys[0].allow_ips[1]", "not an IP", "10.0.0.0/8"),
    ("2027-01-01T00:00:00", '"2027-01-01"', 20, "keys[0].expires_at", "date-time", "without quotes"),
    ('models = ["gpt-5.2"]\nallow', "models = []\nallow", 17, "keys[0].models", "is empty", "allow all"),
    ('["127.0.0.0/8", "2001:db8::/32", "::1"]', "[]", 18, "keys[0].allow_ips", "is empty", "allow all"),
    ('vendor = "openai"', 'vendor = "opneai"', 23, "channels[0].vendor", "no vendor", '"openai"'),
    ('vendor = "openai"', 'vendor = "zzz"', 23, "channels[0].vendor", "no vendor", '"compatible"'),
    (
        "http://127.0.0.1:9000/v1/",
        "127.0.0.1:9000",
        24,
        "channels[0].base_url",
        "http or https URL",
        "https://",
    ),
    ("127.0.0.1:9000", "me:pw@h", 24, "channels[0].base_url", "user name", "keys_env"),
    ('keys = ["sk-upstream"]', 'keys = "sk-upstream"', 25, "channels[0].keys", "must be an array", "write ["),
    ('groups = ["default"]', 'groups = ["defualt"]', 28, "channels[0].groups[0]", "no group", '"default"'),
    ('gpt-5.2", "gpt-4o-mini"', 'gpt-5.2", "gpt-5.2"', 26, "channels[0].models[1]", "twice", ""),
    (
        "priority = 0",
        "timeouts = { idle = 5 }",
        29,
        "channels[0].timeouts.idle",
        "not a deadline",
        "idle_chunk_s",
    ),
    (
        "priority = 0",
        'dialects = ["openai_chat", "antropic_messages"]',
        29,
        "channels[0].dialects[1]",
        "",
        '"anthropic_messages"',
    ),
    (
        "priority = 0",
        'dialects = ["gemini_generate"]',
        29,
        "channels[0].dialects[0]",
        'no place for "gemini_generate"',
        "openai_chat, openai_responses",
    ),
    ("priority = 0", "dialects = []", 29, "channels[0].dialects", "is empty", "leave it out"),
    (
        "priority = 0",
        'operations = ["openai_completion"]',
        29,
        "channels[0].operations[0]",
        "",
        '"openai_completions"',
    ),
    (
        "priority = 0",
        'operations = ["openai_responses"]\ndialects = ["openai_chat"]',
        29,
        "channels[0].operations[0]",
        "not among what the channel speaks",
        'add "openai_responses" to its dialects',
    ),
    (
        'input_usd_per_mtok = "1.75"',
        "input_usd_per_mtok = 1.75",
        33,
        "prices[0].input_usd_per_mtok",
        "quoted",
        '"1.75" with quotes',
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "message", "suggestion"), CASES)
def test_a_mistake_is_told_with_line_key_and_suggestion(
    old: str, new: str, line: int, key: str, message: str, suggestion: str
) -> None:
    assert GOOD.count(old) >= 1
    found = [p for p in problems_of(GOOD.replace(old, new, 1)) if p.key == key]
    assert len(found) == 1, found
    assert found[0].line == line
    assert message in found[0].message
    assert suggestion in found[0].suggestion
    assert found[0].severity == "error"
    assert found[0].text().startswith(f"f.toml:{line}: {key}: ")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("port = 8080", "prot = 1").replace('ratio = "1.0"', "ratio = 1")
    text = text.replace("rpm = 600", "rpm = -1")
    assert [problem.line for problem in problems_of(text)] == [3, 7, 19]


def test_broken_toml_names_its_line() -> None:
    (problem,) = problems_of('[server]\nport = 1\nhost = "x\n')
    assert problem.line == 3
    assert "is not TOML" in problem.message
    (at_end,) = problems_of("[server]\nport =")
    assert at_end.line == 2


def test_names_keys_and_prices_may_not_stand_twice() -> None:
    text = GOOD + f'[[users]]\nname = "acme"\n[[keys]]\nname = "two"\nuser = "acme"\nkey = "{KEY}"\n'
    assert [(p.key, p.line) for p in problems_of(text)] == [("users[1].name", 37), ("keys[1].key", 41)]
    assert KEY not in "".join(problem.text() for problem in problems_of(text))


def test_a_compatible_channel_needs_an_address_and_models() -> None:
    text = '[[channels]]\nname = "c"\nvendor = "compatible"\n'
    assert {(p.line, p.key) for p in problems_of(text)} == {(3, "channels[0].vendor"), (1, "channels[0]")}


def test_what_only_looks_wrong_is_a_warning() -> None:
    text = GOOD.replace('["gpt-5.2", "gpt-4o-mini"]', '["gpt-4o-minni"]')
    found = problems_of(text)
    assert [(p.line, p.severity) for p in found] == [(26, "warning")]
    assert '"gpt-4o-mini"' in found[0].suggestion
    assert not has_errors(found)


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ('keys = ["sk-upstream"]', 'keys = [""]', "channels[0].keys[0]"),
        ('keys = ["sk-upstream"]', 'keys = "sk-upstream"', "channels[0].keys"),
        (
            'input_usd_per_mtok = "1.75"',
            "input_usd_per_mtok = 1.75",
            "prices[0].input_usd_per_mtok",
        ),
    ],
)
def test_what_can_not_be_read_is_not_told_to_be_missing_as_well(right: str, wrong: str, key: str) -> None:
    assert right in GOOD
    (problem,) = problems_of(GOOD.replace(right, wrong))
    assert (problem.key, problem.severity) == (key, "error")


def test_an_operation_that_is_not_spoken_beside_one_that_is_only_looks_wrong() -> None:
    text = GOOD.replace("priority = 0", 'operations = ["openai_chat", "anthropic_messages"]')
    assert [(p.key, p.severity) for p in problems_of(text)] == [("channels[0].operations[1]", "warning")]


def test_dialects_are_read_in_the_order_of_the_file() -> None:
    text = GOOD.replace("priority = 0", 'dialects = ["openai_responses", "openai_chat"]')
    checked = check(parse(text, "f"), "f", {}, KNOWN)
    assert checked.problems == ()
    assert checked.config.channels[0].dialects == ("openai_responses", "openai_chat")


def test_a_file_without_groups_has_the_default_group() -> None:
    checked = check(parse('[[users]]\nname = "a"\n[[keys]]\nname = "k"\nuser = "a"\n', "f"), "f", {}, KNOWN)
    assert checked.problems == ()
    assert [(group.name, group.ratio_ppm) for group in checked.config.groups] == [("default", 1_000_000)]


def test_an_imported_key_gets_the_prefix_that_clients_send() -> None:
    text = GOOD.replace(KEY, KEY.removeprefix("sk-"))
    assert check(parse(text, "f"), "f", {}, KNOWN).config.keys[0].key == KEY


def test_keys_env_that_is_set_is_fine_but_not_beside_keys() -> None:
    text = GOOD.replace('keys = ["sk-upstream"]', 'keys_env = "UP"')
    assert problems_of(text, {"UP": "sk-x"}) == ()
    both = GOOD.replace('keys = ["sk-upstream"]', 'keys = ["sk-upstream"]\nkeys_env = "UP"')
    assert [p.line for p in problems_of(both, {"UP": "sk-x"})] == [26]


def test_a_variable_that_is_not_set_here_does_not_stop_an_apply_to_a_server_that_has_it() -> None:
    (found,) = problems_of(GOOD.replace('keys = ["sk-upstream"]', 'keys_env = "UP_KEY"'), {"UP_KEYS": "x"})
    assert (found.line, found.key, found.severity) == (25, "channels[0].keys_env", "warning")
    assert "UP_KEY is not set here" in found.message
    assert '"UP_KEYS"' in found.suggestion


def test_files_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    (missing,) = load(tmp_path / "none.toml", {}, KNOWN).problems
    assert "can't be read: No such file" in missing.message
    broken = tmp_path / "latin.toml"
    broken.write_bytes(b'[server]\nhost = "\xff"\n')
    (latin,) = load(broken, {}, KNOWN).problems
    assert (latin.line, latin.message) == (2, "is not UTF-8 text")


def test_tiers_are_read_in_ascending_order_with_their_own_lines() -> None:
    text = (
        GOOD + '[[prices.tiers]]\nabove_input_tokens = 200000\ninput_usd_per_mtok = "3.5"\n'
        '[[prices.tiers]]\nabove_input_tokens = 1000\noutput_usd_per_mtok = "15"\n'
    )
    price = check(parse(text, "f"), "f", {}, KNOWN).config.prices[0]
    assert [tier.above_input_tokens for tier in price.tiers] == [1000, 200000]
    bad = text.replace('"15"', "15")
    assert [(p.line, p.key) for p in problems_of(bad)] == [(41, "prices[0].tiers[1].output_usd_per_mtok")]


def found_in(text: str) -> list[str]:
    known = msgspec.structs.replace(
        KNOWN,
        models={**KNOWN.models, "anthropic": ("claude-sonnet-4-5",)},
        priced=KNOWN.priced | {"claude-sonnet-4-5"},
    )
    problems = check(parse(text, "f"), "f", {}, known).problems
    return [
        f"{problem.severity} {problem.key}: {problem.message} {problem.suggestion}" for problem in problems
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[[channels]]\nname = "a"\nvendor = "compatible"\nbase_url = 5\nkeys = ["k"]\nmodels = ["gpt-5.2"]',
        '[[channels]]\nname = "a"\nvendor = "openai"\nkeys_env = 5\nmodels = ["gpt-5.2"]',
        '[[prices]]\nmodel = "m"\ninput_usd_per_mtok = 2',
        '[[users]]\nname = 5\n[[keys]]\nname = "k"\nuser = "u"',
        '[[users]]\nname = "u"\n[[groups]]\nname = 5\n[[keys]]\nname = "k"\nuser = "u"\ngroup = "g"',
    ],
)
def test_what_can_t_be_read_is_not_also_missing(text: str) -> None:
    assert len(found_in(text)) == 1


@pytest.mark.parametrize(
    ("word", "known"), [("OpenAI", "openai"), ("OPENAI", "openai"), ("openai ", "openai")]
)
def test_another_case_is_a_near_word(word: str, known: str) -> None:
    assert closest(word, ("anthropic", known)) == f'did you mean "{known}"?'
    assert closest(known, (word, "anthropic")) == f'did you mean "{word}"?'


def test_a_vendor_in_another_case_gets_a_hint() -> None:
    (found,) = found_in('[[channels]]\nname = "a"\nvendor = "OpenAI"\nkeys = ["k"]\nmodels = ["gpt-5.2"]')
    assert 'there is no vendor "OpenAI" did you mean "openai"?' in found


CHANNEL = '[[channels]]\nname = "a"\nvendor = "openai"\nkeys = ["k"]\n'
USER = '[[users]]\nname = "u"\n[[keys]]\nname = "k"\nuser = "u"\n'


@pytest.mark.parametrize(
    ("models", "warned"),
    [
        ('models = ["gpt-5.2", "gpt-5.2-high", "gpt-4o-mini"]\n', []),
        (
            'models = ["gpt-52"]\n',
            ['warning keys[0].models[0]: "gpt-52" is served by no channel in this file'],
        ),
    ],
)
def test_a_key_for_a_model_that_nobody_serves_is_warned_of(models: str, warned: list[str]) -> None:
    found = found_in(USER + models + CHANNEL)
    assert [text.partition(" did")[0] for text in found] == warned
    assert found_in(USER + models) == []


def test_a_channel_for_another_vendors_model_is_warned_of() -> None:
    (found,) = found_in(CHANNEL + 'models = ["gpt-5.2", "claude-sonnet-4-5"]')
    assert found.startswith(
        'warning channels[0].models[1]: "claude-sonnet-4-5" is no model of the vendor "openai"'
    )
    mapped = 'models = ["claude-sonnet-4-5"]\nmodel_map = { "claude-sonnet-4-5" = "gpt-5.2" }'
    assert found_in(CHANNEL + mapped) == []
    assert found_in(CHANNEL + 'base_url = "https://h.example/v1"\nmodels = ["claude-sonnet-4-5"]') == []
