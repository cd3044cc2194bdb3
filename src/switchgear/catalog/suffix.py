"""Wishes about reasoning that clients write behind a model's name, such as ``-thinking`` and ``-high``."""

from collections.abc import Callable
from typing import get_args

import msgspec

from switchgear.kernel.facts import EffortName
from switchgear.kernel.limits import SUFFIX_BUDGET_TOKENS_MAX

_EFFORTS: tuple[EffortName, ...] = get_args(EffortName)
_ON = "-thinking"
_OFF = "-nothinking"
_DIGITS_MAX = len(str(SUFFIX_BUDGET_TOKENS_MAX))


class Suffix(msgspec.Struct, frozen=True):
    """A model and what its name asks for. With nothing but ``base`` set: reasoning on, as the model likes."""

    base: str
    effort: EffortName | None = None
    budget_tokens: int | None = None
    off: bool = False


def split_suffix(name: str, is_known: Callable[[str], bool]) -> Suffix | None:
    """What the name asks for; None when it is a model itself, or is no model with a wish behind it."""
    if is_known(name):
        return None
    found = _read(name)
    return found if found is not None and found.base and is_known(found.base) else None


def _read(name: str) -> Suffix | None:
    if name.endswith(_OFF):
        return Suffix(name.removesuffix(_OFF), off=True)
    if name.endswith(_ON):
        return Suffix(name.removesuffix(_ON))
    base, _, last = name.rpartition("-")
    for effort in _EFFORTS:
        if last == effort:
            return Suffix(base, effort=effort, off=effort == "none")
    if base.endswith(_ON) and last.isascii() and last.isdigit() and len(last) <= _DIGITS_MAX:
        tokens = int(last)
        if tokens <= SUFFIX_BUDGET_TOKENS_MAX:
            return Suffix(base.removesuffix(_ON), budget_tokens=tokens, off=tokens == 0)
    return None
