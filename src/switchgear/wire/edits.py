"""The edits that vendor files and channels ask for, on the top level of a request."""

from collections.abc import Mapping

from msgspec import Raw

from switchgear.wire.dialect import Edits

_OF_OURS = frozenset({"stream_options"})
"""What the relay asks for itself: no client loses anything by it."""


def left_out(fields: Mapping[str, Raw], edits: Edits) -> tuple[str, ...]:
    """The keys whose values this upstream does not get."""
    if not edits.drop and not edits.rename:
        return ()
    return tuple(
        key
        for key in fields
        if key not in _OF_OURS and (key in edits.drop or edits.rename.get(key, key) in fields.keys() - {key})
    )


def edited(fields: dict[str, Raw], edits: Edits) -> dict[str, Raw]:
    """The fields without what this upstream refuses, under the names by which it reads them. Where the new
    name is there already, that one stays."""
    if not edits.drop and not edits.rename:
        return fields
    changed: dict[str, Raw] = {}
    for key, value in fields.items():
        if key in edits.drop:
            continue
        new = edits.rename.get(key, key)
        if new == key:
            changed[key] = value
        elif new not in fields:
            changed[new] = value
    return changed
