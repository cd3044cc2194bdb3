"""Every table and key that a configuration file may hold: one list for the reader and the reference."""

from typing import get_args

import msgspec

from switchgear.catalog.schema import UNIT_OF_KEY
from switchgear.config import read
from switchgear.config.read import Reader
from switchgear.kernel.dialects import DIALECTS, OPERATIONS
from switchgear.kernel.limits import (
    CLIENT_GONE_FINISH_S,
    CLIENT_GONE_READ_S,
    CLIENT_GONE_READ_S_MAX,
    CONCURRENCY_CAP_MAX,
    DRAIN_S,
    DRAIN_S_MAX,
    FETCH_PORTS,
    RATE_PER_MINUTE_MAX,
    RESPONSES_RETENTION_DAYS,
    RESPONSES_RETENTION_DAYS_MAX,
    TIMEOUT_S_MAX,
    USAGE_RETENTION_DAYS,
    USAGE_RETENTION_DAYS_MAX,
    USAGE_RETENTION_DAYS_MIN,
    WEIGHT_MAX,
    WORKERS_MAX,
)
from switchgear.kernel.log import LogFormat
from switchgear.kernel.usage import CALL_UNITS, PARENT_UNIT

LOG_LEVELS = ("debug", "info", "warning", "error")
TIMEOUTS = ("connect_s", "first_byte_stream_s", "first_byte_json_s", "idle_chunk_s", "total_s")


class Field(msgspec.Struct, frozen=True):
    """One key of a table."""

    name: str
    kind: str
    """What to write, for the reference."""
    read: Reader
    meaning: str
    absent: str = ""
    """What holds when the key is left out."""
    required: bool = False
    target: str = ""
    """Attribute of the struct that it fills, when that has another name."""


class Table(msgspec.Struct, frozen=True):
    """One table (``[name]``) or array of tables (``[[name]]``)."""

    name: str
    is_array: bool
    meaning: str
    fields: tuple[Field, ...]
    tables: tuple["Table", ...] = ()
    """Arrays of tables inside each element."""

    def field(self, name: str) -> Field | None:
        """The key of this name, or None."""
        return next((field for field in self.fields if field.name == name), None)


_NAMES = read.array(read.name)
_MODELS = read.array(read.model_name)
_CIDRS = read.array(read.cidr)
_PER_MINUTE = read.integer(0, RATE_PER_MINUTE_MAX)
_CALLS = read.integer(0, CONCURRENCY_CAP_MAX)

SERVER = Table(
    "server",
    False,
    "Where and how to listen.",
    (
        Field("host", "string", read.name, "Address to listen on.", "127.0.0.1"),
        Field("port", "integer", read.integer(0, 65535), "Port to listen on; 0 takes any free one.", "8080"),
        Field("workers", "integer", read.integer(1, WORKERS_MAX), "Relay worker processes.", "2"),
        Field(
            "trusted_proxies",
            "array of networks",
            _CIDRS,
            "Proxies whose `x-forwarded-for` is believed.",
            "none is believed",
        ),
        Field(
            "log_level",
            "string",
            read.one_of(*LOG_LEVELS),
            f"One of {', '.join(LOG_LEVELS)}; from `warning` up the lines of requests are left out too.",
            "info",
        ),
        Field(
            "log_format",
            "string",
            read.one_of(*get_args(LogFormat)),
            "`text` for people, `json` for programs; `auto`: text on a terminal, else JSON.",
            "auto",
        ),
        Field(
            "drain_s",
            "seconds",
            read.seconds(0, DRAIN_S_MAX),
            "How long running calls get to finish after SIGTERM.",
            f"{DRAIN_S:g}",
        ),
        Field(
            "responses_retention_days",
            "integer",
            read.integer(0, RESPONSES_RETENTION_DAYS_MAX),
            "How long responses, with what was asked and answered in them, are kept for later calls to name; "
            "0 keeps nothing.",
            str(RESPONSES_RETENTION_DAYS),
        ),
        Field(
            "client_gone_read_s",
            "seconds",
            read.seconds(0, CLIENT_GONE_READ_S_MAX),
            "How long an answer is read on after its client left, to learn what it cost; then the upstream "
            "is cancelled.",
            f"{CLIENT_GONE_READ_S:g}",
        ),
        Field(
            "usage_retention_days",
            "integer",
            read.integer(USAGE_RETENTION_DAYS_MIN, USAGE_RETENTION_DAYS_MAX),
            "How long the record of each request is kept. After that only its cost is, summed by account and "
            "day, so that the books stay exact.",
            str(USAGE_RETENTION_DAYS),
        ),
        Field(
            "fetch_ports",
            "array of integers",
            read.array(read.integer(1, 65535)),
            "TCP ports from which the relay fetches files that a request names by URL; `[]` fetches none.",
            f"[{', '.join(map(str, FETCH_PORTS))}]",
        ),
    ),
)

GROUPS = Table(
    "groups",
    True,
    "A group ties keys to channels and sets a factor on prices.",
    (
        Field("name", "string", read.name, "Unique name.", required=True),
        Field(
            "ratio",
            "quoted decimal",
            read.ratio,
            'Factor on every price; "0" makes calls free.',
            '"1.0"',
            target="ratio_ppm",
        ),
        Field(
            "upstream_objects",
            "boolean",
            read.boolean,
            "Its keys may name anything in the upstream's account: files, conversations, prompts, vector "
            "stores, containers, caches. Only for keys that may see all of it.",
            "false: only what was made through the relay for the same user",
        ),
    ),
)

USERS = Table(
    "users",
    True,
    "Somebody with a wallet.",
    (
        Field("name", "string", read.name, "Unique name.", required=True),
        Field(
            "balance_usd",
            "quoted decimal",
            read.usd,
            "All that the file has ever put into the wallet, not what is left: raise it to top up.",
            "the file funds nothing",
            target="balance_nanos",
        ),
        Field("status", "string", read.one_of("active", "disabled"), "`active` or `disabled`.", "active"),
    ),
)

KEYS = Table(
    "keys",
    True,
    "One API key of a user.",
    (
        Field("name", "string", read.name, "Unique name.", required=True),
        Field("user", "string", read.name, "The user whose wallet pays.", required=True),
        Field(
            "key",
            "string",
            read.api_key,
            "The key itself: `sk-` and 48 letters and digits.",
            "made once and printed once",
        ),
        Field("group", "string", read.name, "Group whose channels and ratio are used.", "default"),
        Field(
            "quota_usd",
            "quoted decimal",
            read.usd,
            "All that the key may ever spend.",
            "bounded by the user's balance only",
            target="quota_nanos",
        ),
        Field("models", "array of strings", read.some(read.model_name), "Models the key may call.", "all"),
        Field(
            "allow_ips",
            "array of networks",
            read.some(read.cidr),
            "Addresses the key may be used from.",
            "all",
        ),
        Field("rpm", "integer", _PER_MINUTE, "Requests per minute; 0 = no limit.", "0"),
        Field("tpm", "integer", _PER_MINUTE, "Tokens per minute; 0 = no limit.", "0"),
        Field("concurrency", "integer", _CALLS, "Calls at the same time; 0 = no limit.", "0"),
        Field(
            "expires_at",
            "date-time",
            read.moment,
            "From then on the key is refused; UTC without a zone.",
            "never",
            target="expires_at_ms",
        ),
        Field("disabled", "boolean", read.boolean, "Refuse the key without forgetting it.", "false"),
    ),
)

CHANNELS = Table(
    "channels",
    True,
    "One upstream: vendor, place, credentials, what it serves and to whom.",
    (
        Field("name", "string", read.name, "Unique name.", required=True),
        Field(
            "vendor",
            "string",
            read.name,
            "A vendor of the reference, `compatible` or `local`.",
            required=True,
        ),
        Field("base_url", "URL", read.base_url, "Where it is.", "the vendor's own; `compatible` needs one"),
        Field(
            "keys", "array of strings", read.array(read.upstream_key), "Credentials, used in turn.", "none"
        ),
        Field("keys_env", "string", read.env_name, "Environment variable that holds the credential.", "none"),
        Field(
            "models",
            "array of strings",
            _MODELS,
            "Models it serves, as clients name them.",
            "all catalogue models of the vendor",
        ),
        Field(
            "model_map",
            "table of strings",
            read.table_of(read.model_name),
            "Model as clients name it → as the upstream names it.",
            "same names",
        ),
        Field("groups", "array of strings", _NAMES, "Groups that may use it.", '["default"]'),
        Field("priority", "integer", read.integer(-WEIGHT_MAX, WEIGHT_MAX), "Higher is tried first.", "0"),
        Field("weight", "integer", read.integer(0, WEIGHT_MAX), "Share among channels of one priority.", "1"),
        Field("enabled", "boolean", read.boolean, "`false` takes it out without forgetting it.", "true"),
        Field(
            "timeouts",
            "table of seconds",
            read.table_of(read.seconds(0.001, TIMEOUT_S_MAX)),
            f"Deadlines: {', '.join(TIMEOUTS)}.",
            "those of the bounds page",
        ),
        Field("concurrency", "integer", _CALLS, "Calls in flight per worker; 0 = no cap.", "0"),
        Field(
            "dialects",
            "array of strings",
            read.some(read.one_of(*DIALECTS)),
            f"What the host speaks: {', '.join(DIALECTS)}. Names what is there, more or less than usual.",
            "what the vendor speaks by default",
        ),
        Field(
            "operations",
            "array of strings",
            read.array(read.one_of(*OPERATIONS)),
            f"Of the operations of its dialects, the only ones to be used: {', '.join(OPERATIONS)}.",
            "all of its dialects",
        ),
        Field("headers", "table of strings", read.headers, "Fixed request headers.", "none"),
        Field(
            "finish_on_client_gone",
            "boolean",
            read.boolean,
            f"Read on for {CLIENT_GONE_FINISH_S:g} seconds after the client left, to learn the exact usage.",
            "false",
        ),
        Field(
            "client_gone_read_s",
            "seconds",
            read.seconds(0, CLIENT_GONE_READ_S_MAX),
            "Read on for so long instead.",
            "as `finish_on_client_gone` or the server says",
        ),
        Field(
            "doubt_usage",
            "boolean",
            read.boolean,
            "Charge our own count of an answer whose reported output is implausible beside its text.",
            "false",
        ),
        Field(
            "asks_usage",
            "boolean",
            read.boolean,
            "Ask for usage in streams by `stream_options`. `false` for a host that refuses the field; "
            "it is learned from a refused call as well.",
            "true",
        ),
        Field(
            "gives_back_reasoning",
            "boolean",
            read.boolean,
            "Give all earlier reasoning back, as `reasoning_content`, to chat models of which nothing is "
            "known. What they said themselves they get anyway, where it led to calls of tools.",
            "false",
        ),
        Field(
            "only_streams",
            "boolean",
            read.boolean,
            "The host answers only as a stream: whole replies are made of one. Of some models it is known.",
            "false",
        ),
    ),
)


def _rate(key: str, unit: str) -> Field:
    absent = f"the rate of `{PARENT_UNIT[unit]}`" if unit in PARENT_UNIT else "no rate"
    if unit in CALL_UNITS:
        absent = "that of the model's family, else no rate" if unit == "calls" else absent
        return Field(key, "quoted decimal", read.usd_per_1k, f"US dollars per thousand `{unit}`.", absent)
    return Field(key, "quoted decimal", read.usd, f"US dollars per million tokens of `{unit}`.", absent)


_RATES = tuple(_rate(key, unit) for key, unit in UNIT_OF_KEY.items())

TIERS = Table(
    "tiers",
    True,
    "Rates of calls whose input is long.",
    (
        Field(
            "above_input_tokens",
            "integer",
            read.integer(1, 2**40),
            "Applies to inputs longer than this.",
            required=True,
        ),
        *_RATES,
    ),
)

PRICES = Table(
    "prices",
    True,
    "Price of one model; overrides the shipped price book.",
    (
        Field("model", "string", read.model_name, "Model as clients name it.", required=True),
        *_RATES,
    ),
    (TIERS,),
)

TABLES: tuple[Table, ...] = (SERVER, GROUPS, USERS, KEYS, CHANNELS, PRICES)
