"""What a request of the chat dialect names of the upstream's account, and what an answer makes there."""

import re

from switchgear.wire.call import Call
from switchgear.wire.framing.splice import BadJson, read_objects
from switchgear.wire.neutral.account_ids import AccountId, IdKeys, id_of, ids_in, may_hold

_KEYS = IdKeys(("file_id",), ("arguments",))
_SOUND = (b'"audio"',)
_AUDIO = re.compile(rb'"audio"\s*:\s*\{[^{}]{0,256}?"id"\s*:\s*"([A-Za-z0-9_.-]{1,256})"')


def account_ids(call: Call) -> tuple[AccountId, ...]:
    fields = call.fields
    found = [*ids_in(fields, "messages", _KEYS)]
    if may_hold(fields.get("messages"), _SOUND):
        try:
            messages = read_objects(fields["messages"])
        except BadJson:
            messages = []
        for message in messages:
            found += [AccountId(sound.id, "messages") for sound in id_of(message, "audio")]
    return tuple(found)


def made_ids(answer: bytes) -> tuple[str, ...]:
    """The sound of an answer, which the next turn may name."""
    if b'"audio"' not in answer:
        return ()
    return tuple(dict.fromkeys(id.decode() for id in _AUDIO.findall(answer)))
