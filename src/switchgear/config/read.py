"""Readers of single values: a TOML value in, a checked value out, or ``BadValue`` with what was meant."""

import datetime
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from switchgear.config.locate import Path
from switchgear.config.problem import closest
from switchgear.kernel.ids import KEY_LENGTH
from switchgear.kernel.limits import CONFIG_LIST_MAX, MODEL_NAME_CHARS_MAX, NAME_CHARS_MAX
from switchgear.kernel.money import MoneyError, nanos_from_usd, ppm_from_ratio

Reader = Callable[[object], object]

_KEY = re.compile(rf"(?:sk-)?([0-9A-Za-z]{{{KEY_LENGTH}}})")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BadValue(Exception):
    """A value that can't stand; ``inside`` leads from the key to the part at fault."""

    def __init__(self, message: str, suggestion: str = "", inside: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.inside = inside


def kind_of(value: object) -> str:
    """The TOML word for a value's type, for messages."""
    if isinstance(value, bool):
        return "a boolean"
    for type_, word in (
        (str, "a string"),
        (int, "an integer"),
        (float, "a float"),
        (list, "an array"),
        (dict, "a table"),
        (datetime.datetime, "a date-time"),
        (datetime.date, "a date"),
        (datetime.time, "a time"),
    ):
        if isinstance(value, type_):
            return word
    return type(value).__name__


def string(value: object) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise BadValue(f"must be a string, not {kind_of(value)}", _quoted(value))
    return value


def name(value: object) -> str:
    """A name: 1 to ``NAME_CHARS_MAX`` printable characters, no blank at either end."""
    return _name(value, NAME_CHARS_MAX)


def model_name(value: object) -> str:
    """A model as clients or an upstream name it: as long as a request may name one."""
    return _name(value, MODEL_NAME_CHARS_MAX)


def boolean(value: object) -> bool:
    """``true`` or ``false``, not quoted."""
    if not isinstance(value, bool):
        raise BadValue(f"must be true or false, not {kind_of(value)}", "write it without quotes")
    return value


def integer(low: int, high: int) -> Callable[[object], int]:
    """A whole number between two bounds, both allowed."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            hint = f"write {value} without quotes" if isinstance(value, str) and value.isdigit() else ""
            raise BadValue(f"must be an integer, not {kind_of(value)}", hint)
        if not low <= value <= high:
            raise BadValue(f"must be between {low} and {high}, not {value}")
        return value

    return read


def seconds(low: float, high: float) -> Callable[[object], float]:
    """A number of seconds between two bounds, both allowed."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadValue(f"must be a number of seconds, not {kind_of(value)}")
        if not low <= value <= high:
            raise BadValue(f"must be between {low:g} and {high:g} seconds, not {value:g}")
        return float(value)

    return read


def usd(value: object) -> int:
    """Dollars as a quoted decimal, not negative → nanos."""
    return _money(value, nanos_from_usd)


def usd_per_1k(value: object) -> int:
    """Dollars for a thousand calls → nanos per million calls."""
    return usd(value) * 1_000


def ratio(value: object) -> int:
    """A factor as a quoted decimal → parts per million."""
    return _money(value, ppm_from_ratio)


def cidr(value: object) -> str:
    """An address or network, IPv4 or IPv6; returned in canonical form."""
    text = string(value)
    try:
        return str(ipaddress.ip_network(text, strict=True))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        hint = 'such as "10.0.0.0/8" or "2001:db8::/32"'
        raise BadValue(f'"{text}" is not an IP address or network', hint) from None
    raise BadValue(f'"{text}" has bits set right of its mask', f'write "{network}"')


def api_key(value: object) -> str:
    """``sk-`` and 48 letters and digits. An imported key without ``sk-`` gets it, as its clients send it."""
    match = _KEY.fullmatch(string(value))
    if match is None:
        raise BadValue(
            f"must be sk- and {KEY_LENGTH} letters and digits",
            'leave it out to have one made, or run "switchgear keys create"',
        )
    return f"sk-{match[1]}"


def upstream_key(value: object) -> str:
    """A vendor's credential: one line of visible ASCII, as it goes into a header."""
    text = string(value)
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise BadValue("must be visible ASCII without blanks")
    return text


def env_name(value: object) -> str:
    """The name of an environment variable."""
    text = string(value)
    if _ENV_NAME.fullmatch(text) is None:
        raise BadValue(
            f"must be the name of an environment variable, not {kind_of(value)} of another form",
            'such as "OPENAI_API_KEY"',
        )
    return text


def base_url(value: object) -> str:
    """An absolute http or https URL without query, fragment or user info; a slash at its end is dropped."""
    text = string(value)
    try:
        parts = urlsplit(text)
        port_is_bad = parts.port == 0
    except ValueError:
        raise BadValue("is not a URL", 'such as "https://api.example.com/v1"') from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port_is_bad or not text.isprintable():
        raise BadValue("is not an absolute http or https URL", 'such as "https://api.example.com/v1"')
    if parts.query or parts.fragment or "@" in parts.netloc or " " in text:
        raise BadValue("must have no query, fragment or user name", "put credentials into keys or keys_env")
    return text.rstrip("/")


def moment(value: object) -> int:
    """A TOML date-time (naive = UTC) or date (its start in UTC) → Unix milliseconds."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime.datetime):
        hint = "write it without quotes, such as 2027-01-01T00:00:00Z"
        raise BadValue(f"must be a date-time, not {kind_of(value)}", hint)
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.UTC)
    try:
        at_ms = round(value.timestamp() * 1000)
    except (OverflowError, ValueError):
        at_ms = 0
    if at_ms <= 0:
        raise BadValue("must be after 1970")
    return at_ms


def one_of(*words: str) -> Callable[[object], str]:
    """One of a few words."""

    def read(value: object) -> str:
        text = string(value)
        if text not in words:
            raise BadValue(f'"{text}" is not one of {", ".join(words)}', closest(text, words))
        return text

    return read


def array(read_one: Callable[[object], object]) -> Callable[[object], tuple[object, ...]]:
    """An array whose elements are all of one kind, none twice."""

    def read(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            hint = f'write ["{value}"]' if isinstance(value, str) else ""
            raise BadValue(f"must be an array, not {kind_of(value)}", hint)
        if len(value) > CONFIG_LIST_MAX:
            raise BadValue(f"has {len(value)} elements, more than {CONFIG_LIST_MAX}")
        found: list[object] = []
        for index, element in enumerate(value):
            try:
                one = read_one(element)
            except BadValue as bad:
                raise BadValue(bad.message, bad.suggestion, (index, *bad.inside)) from None
            if one in found:
                raise BadValue("stands twice in the array", inside=(index,))
            found.append(one)
        return tuple(found)

    return read


def some(read_one: Callable[[object], object]) -> Callable[[object], tuple[object, ...]]:
    """An array that allows something: an empty one would read as nothing and mean all."""
    read_all = array(read_one)

    def read(value: object) -> tuple[object, ...]:
        found = read_all(value)
        if not found:
            raise BadValue("is empty", "leave it out to allow all")
        return found

    return read


def table_of(read_one: Callable[[object], object]) -> Callable[[object], dict[str, object]]:
    """A table whose values are all of one kind."""

    def read(value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            raise BadValue(f"must be a table, not {kind_of(value)}", 'such as { "a" = "b" }')
        found: dict[str, object] = {}
        for key, element in value.items():
            try:
                found[key] = read_one(element)
            except BadValue as bad:
                raise BadValue(bad.message, bad.suggestion, (key, *bad.inside)) from None
        return found

    return read


def headers(value: object) -> tuple[tuple[str, str], ...]:
    """A table of request headers; names in lower case."""
    pairs = table_of(string)(value)
    for key, text in pairs.items():
        if _HEADER_NAME.fullmatch(key) is None or not str(text).isprintable():
            raise BadValue("is not a header name with a value of one line", inside=(key,))
    return tuple((key.lower(), str(text)) for key, text in pairs.items())


def _name(value: object, chars_max: int) -> str:
    text = string(value)
    if not text or text != text.strip() or not text.isprintable() or len(text) > chars_max:
        raise BadValue(f"must be 1 to {chars_max} printable characters without blanks at the ends")
    return text


def _money(value: object, convert: Callable[[str], int]) -> int:
    if not isinstance(value, str):
        raise BadValue(f"money and ratios are quoted decimals, not {kind_of(value)}", _quoted(value))
    try:
        amount = convert(value)
    except MoneyError as error:
        raise BadValue(str(error), 'such as "1.75"') from None
    except ArithmeticError:  # an exponent that no decimal number can carry
        raise BadValue(f'"{value}" is out of range') from None
    if amount < 0:
        raise BadValue(f'can\'t be negative: "{value}"')
    return amount


def _quoted(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'write "{value}" with quotes' if is_number else ""
