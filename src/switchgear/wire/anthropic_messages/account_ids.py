"""What a request of the Messages dialect names of the upstream's account, and what an answer makes there."""

import re
from collections.abc import Iterator
from typing import Any

from switchgear.wire.call import Call
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.account_ids import AccountId, IdKeys, id_of, ids_in

_KEYS = IdKeys(("file_id",), ("input", "input_schema", "metadata"))
_CONTAINER = re.compile(rb'"container"\s*:\s*\{[^{}]{0,4096}?"id"\s*:\s*"([A-Za-z0-9_-]{1,256})"')


def account_ids(call: Call) -> tuple[AccountId, ...]:
    fields = call.fields
    named = ids_in(fields, "messages", _KEYS) + ids_in(fields, "system", _KEYS)
    if "container" not in fields:
        return named
    return (*id_of(fields, "container"), *_skills(any_of(bytes(fields["container"]))), *named)


def _skills(container: Any) -> Iterator[AccountId]:
    """Anthropic's own skills are everybody's."""
    skills = container.get("skills") if isinstance(container, dict) else None
    for skill in skills if isinstance(skills, list) else ():
        own = isinstance(skill, dict) and skill.get("type") != "anthropic"
        if own and isinstance(skill.get("skill_id"), str):
            yield AccountId(skill["skill_id"], "container")


def made_ids(answer: bytes) -> tuple[str, ...]:
    """The container of an answer, whole or as the event that tells of it."""
    if b'"container"' not in answer:
        return ()
    return tuple(dict.fromkeys(id.decode() for id in _CONTAINER.findall(answer)))
