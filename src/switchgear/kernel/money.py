"""Money as integers. A nano is 10⁻⁹ US dollar; rates are nanos per million units; ratios are parts per
million.

There is no float in this module, and a test keeps it so.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

NANOS_PER_USD = 1_000_000_000
UNITS_PER_RATE = 1_000_000
PPM = 1_000_000
NANOS_MAX = 2**63 - 1

Nanos = int


class MoneyError(ValueError):
    """An amount that is not a plain decimal number, or is out of range or too fine."""


def nanos_from_usd(text: str) -> Nanos:
    """``"1.75"`` → 1_750_000_000. Exact: more than nine decimal places is an error, not a rounding."""
    return _scaled(text, NANOS_PER_USD, "US dollars")


def rate_from_usd_per_mtok(text: str) -> Nanos:
    """Dollars per million units as nanos per million units; the same scale as ``nanos_from_usd``."""
    return _scaled(text, NANOS_PER_USD, "US dollars per million")


def ppm_from_ratio(text: str) -> int:
    """``"0.8"`` → 800_000. At most six decimal places, and never negative."""
    ppm = _scaled(text, PPM, "a ratio")
    if ppm < 0:
        raise MoneyError(f"a ratio can't be negative: {text!r}")
    return ppm


def usd_from_nanos(nanos: Nanos) -> str:
    """The shortest exact decimal: 1_750_000_000 → ``"1.75"``."""
    sign = "-" if nanos < 0 else ""
    whole, fraction = divmod(abs(nanos), NANOS_PER_USD)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def divide_half_up(numerator: int, denominator: int) -> int:
    """Exact division of non-negative integers, rounded half up: the one rounding of the project."""
    return (2 * numerator + denominator) // (2 * denominator)


def _scaled(text: str, scale: int, what: str) -> int:
    if not isinstance(text, str):
        raise MoneyError(f'{what} must be written as a string such as "1.75", not {text!r}')
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise MoneyError(f"{text!r} is not {what} as a decimal number") from None
    if not value.is_finite():
        raise MoneyError(f"{text!r} is not {what} as a decimal number")
    scaled = value * scale
    whole = scaled.to_integral_value(rounding=ROUND_HALF_UP)
    if whole != scaled:
        raise MoneyError(f"{text!r} has more decimal places than {what} can carry")
    if abs(whole) > NANOS_MAX:
        raise MoneyError(f"{text!r} is out of range")
    return int(whole)
