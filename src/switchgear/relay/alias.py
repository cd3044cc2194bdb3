"""Other spellings of a model's name: with a wish about reasoning behind it, such as
``claude-sonnet-4-5-thinking-8192``, or as Google's lists spell it, ``models/gemini-2.5-pro``."""

import msgspec

from switchgear.catalog.suffix import Suffix, split_suffix
from switchgear.link.snapshot import Snapshot
from switchgear.wire.call import Call
from switchgear.wire.neutral.request import Thinking


class Alias(msgspec.Struct, frozen=True, gc=False):
    """A model as a client wrote it, and the one that is meant."""

    model: str
    written: str = ""
    """Empty where the two are the same."""
    wish: Thinking | None = None

    def applied(self, call: Call) -> Call:
        """The call for the model that is meant."""
        if not self.written:
            return call
        return msgspec.structs.replace(call, alias=self.written, wish=self.wish)


def read_alias(snapshot: Snapshot, name: str) -> Alias:
    """A known model is itself; an unknown one with a known one before its suffix is that with a wish."""
    if name in snapshot.models:
        return Alias(name)
    bare = name.removeprefix("models/")
    if bare in snapshot.models:
        return Alias(bare, name)
    suffix = split_suffix(bare, snapshot.models.__contains__)
    return Alias(name) if suffix is None else Alias(suffix.base, name, _thinking(suffix))


def _thinking(suffix: Suffix) -> Thinking:
    if suffix.off:
        return Thinking(effort="none")
    if suffix.effort is not None:
        return Thinking(effort=suffix.effort, show=True)
    return Thinking(budget_tokens=-1 if suffix.budget_tokens is None else suffix.budget_tokens, show=True)
