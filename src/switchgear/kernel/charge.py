"""What a call costs, with every multiplicand, so that any old bill can be recomputed."""

import msgspec


class ChargeLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One multiplicand of a charge: how many of what, at how many nanos per million."""

    unit: str
    count: int
    rate_nanos: int


class Charge(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call costs and why: sum(count × rate) × ratio, one rounding at the end."""

    nanos: int
    price_id: str = ""
    """Content hash of the price, so that an old bill can be recomputed."""
    ratio_ppm: int = 1_000_000
    lines: tuple[ChargeLine, ...] = ()


FREE = Charge(0)
