"""The edits that vendor files and channels ask for, on the top level of a request."""

from msgspec import Raw

from switchgear.wire.dialect import Edits


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
