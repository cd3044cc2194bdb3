"""Edits within the messages of a request that passes through. Each looks for its occasion by a bytes search,
so that ordinary requests are left as they are, byte for byte."""

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import PARTS_MAX
from switchgear.wire.anthropic_messages.system import is_billing_header, reminder
from switchgear.wire.anthropic_messages.values import check_count
from switchgear.wire.framing.splice import NULL, BadJson, read_objects, write_array

Fields = dict[str, Raw]
Block = dict[str, Raw]

SEALED = b'"relay1.'
"""How a sealed token of another maker begins; see ``wire.neutral.envelope``."""

_SYSTEM = Raw(b'"system"')
_USER = Raw(b'"user"')
_ASSISTANT = Raw(b'"assistant"')
_TEXT = Raw(b'"text"')
_RESULT = Raw(b'"tool_result"')
_USE = Raw(b'"tool_use"')
_SEARCH_RESULT = Raw(b'"web_search_tool_result"')
_ENCRYPTED = b'"encrypted_'
_EMPTY = Raw(b'""')
_NO_BLOCKS = Raw(b"[]")
_EPHEMERAL = Raw(b'{"type":"ephemeral"}')
_REASONING = frozenset({b'"thinking"', b'"redacted_thinking"'})
_TTL = "cache_control.ttl"
_SERVER_TOOLS = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_")


class _Role(msgspec.Struct, gc=False):
    role: Raw = Raw(b"")


_encode = msgspec.json.Encoder().encode
_decode_roles = msgspec.json.Decoder(list[_Role]).decode
_decode_str = msgspec.json.Decoder(str).decode


def lift_system(fields: Fields) -> None:
    """System messages before the first turn become blocks of ``system``."""
    if b'"system"' not in bytes(fields["messages"]) or not _starts_with_system(fields["messages"]):
        return
    messages = _objects(fields["messages"])
    leading: list[Block] = []
    while messages and messages[0].get("role") == _SYSTEM:
        leading += blocks_of(messages.pop(0).get("content"))
    if leading:
        fields["system"] = Raw(write_array(blocks_of(fields.get("system")) + leading))
        fields["messages"] = Raw(write_array(messages))


def drop_sealed(fields: Fields) -> None:
    """Takes out reasoning that was sealed here. Where the running tool loop loses its reasoning by that,
    manual thinking goes too, as it can't go on without."""
    if SEALED not in bytes(fields["messages"]):
        return
    messages = _objects(fields["messages"])
    if not messages:
        return
    last_assistant = max((i for i, m in enumerate(messages) if m.get("role") == _ASSISTANT), default=-1)
    for at, message in enumerate(messages):
        blocks = _listed(message.get("content"))
        kept = [block for block in blocks if not _is_sealed(block)]
        if len(kept) == len(blocks):
            continue
        message["content"] = Raw(write_array(kept))
        in_loop = any(block.get("type") == _USE for block in kept)
        has_own = any(bytes(block.get("type", b"")) in _REASONING for block in kept)
        if (
            at == last_assistant
            and in_loop
            and not has_own
            and b'"enabled"' in bytes(fields.get("thinking", b""))
        ):
            del fields["thinking"]
    fields["messages"] = Raw(write_array(_without_emptied(messages)))


def drop_searches(fields: Fields) -> None:
    """Takes out searches that an upstream of another dialect ran: they lack the sealed text by which
    Anthropic knows its own again, and without which it refuses them. What the answer says of them stays."""
    if _ENCRYPTED not in bytes(fields["messages"]):
        return
    messages = _objects(fields["messages"])
    changed = False
    for message in messages:
        blocks = _listed(message.get("content"))
        gone = [block.get("tool_use_id") for block in blocks if _is_foreign_search(block)]
        kept = [
            _without_foreign_citations(block)
            for block in blocks
            if not _is_foreign_search(block) and block.get("id", NULL) not in gone
        ]
        if kept != blocks:
            changed = True
            message["content"] = Raw(write_array(kept))
    if changed:
        fields["messages"] = Raw(write_array(_without_emptied(messages)))


def _without_emptied(messages: list[Block]) -> list[Block]:
    """Without the answers of which nothing is left; what the user said on both sides of one is one
    message."""
    kept: list[Block] = []
    is_gap = False
    for message in messages:
        if message.get("content") == _NO_BLOCKS and message.get("role") == _ASSISTANT:
            is_gap = True
            continue
        if is_gap and kept and kept[-1].get("role") == message.get("role") == _USER:
            both = blocks_of(kept[-1].get("content")) + blocks_of(message.get("content"))
            kept[-1] = {**kept[-1], "content": Raw(write_array(both))}
        else:
            kept.append(message)
        is_gap = False
    return kept or [{"role": _USER, "content": Raw(write_array([_text_block(".")]))}]


def fit_foreign(fields: Fields, dropped: list[str]) -> None:
    """What servers of other makers refuse, or what defeats their caches; adds to ``dropped`` what a client
    may miss."""
    if "system" in fields and b"x-anthropic-billing-header" in bytes(fields["system"]):
        _drop_billing_header(fields)
    for key in ("system", "messages", "tools"):
        if key in fields and b'"ttl"' in bytes(fields[key]) and (items := _listed(fields[key])):
            fields[key] = Raw(write_array([_plain_cache(item, dropped) for item in items]))
    if "tools" in fields:
        _drop_server_tools(fields, dropped)
    if b'"system"' in bytes(fields["messages"]):
        _fold_system(fields)


def blocks_of(content: Raw | None) -> list[Block]:
    """Content as blocks: a string is one of text, unless it is empty."""
    if content is None:
        return []
    if memoryview(content)[0] == 0x22:
        return [{"type": _TEXT, "text": content}] if len(memoryview(content)) > 2 else []
    return _listed(content)


def _starts_with_system(messages: Raw) -> bool:
    try:
        roles = _decode_roles(messages)
    except (ValueError, RecursionError):
        return False
    return bool(roles) and roles[0].role == _SYSTEM


def _drop_billing_header(fields: Fields) -> None:
    blocks = [block for block in blocks_of(fields["system"]) if not is_billing_header(_text_of(block))]
    if blocks:
        fields["system"] = Raw(write_array(blocks))
    else:
        del fields["system"]


def _plain_cache(item: Block, dropped: list[str]) -> Block:
    """Without ``ttl``, at the places where a cache marker stands and nowhere else."""
    if "cache_control" in item:
        if b'"ttl"' in bytes(item["cache_control"]) and _TTL not in dropped:
            dropped.append(_TTL)
        item["cache_control"] = _EPHEMERAL
    content = item.get("content")
    if content is not None and (blocks := _listed(content)):
        item["content"] = Raw(write_array([_plain_cache(block, dropped) for block in blocks]))
    return item


def _drop_server_tools(fields: Fields, dropped: list[str]) -> None:
    tools = _listed(fields["tools"])
    kept = [tool for tool in tools if not _string(tool.get("type")).startswith(_SERVER_TOOLS)]
    if len(kept) == len(tools):
        return
    gone = {_string(tool.get("type")): _string(tool.get("name")) for tool in tools if tool not in kept}
    dropped += [f"tools.{name or kind}" for kind, name in gone.items()]
    if kept:
        fields["tools"] = Raw(write_array(kept))
    else:
        fields.pop("tools")
        fields.pop("tool_choice", None)


def _fold_system(fields: Fields) -> None:
    """System messages among the turns become text of the next user turn, after its tool results."""
    messages: list[Block] = []
    waiting: list[Block] = []
    for message in _objects(fields["messages"]):
        if message.get("role") == _SYSTEM:
            waiting += [
                _text_block(reminder(text))
                for block in blocks_of(message.get("content"))
                if (text := _text_of(block))
            ]
            continue
        if waiting and message.get("role") == _USER:
            message = {**message, "content": _with_front(message.get("content"), waiting)}
            waiting = []
        messages.append(message)
    if waiting:
        messages.append({"role": _USER, "content": Raw(write_array(waiting))})
    if messages:
        fields["messages"] = Raw(write_array(messages))


def _with_front(content: Raw | None, front: list[Block]) -> Raw:
    blocks = blocks_of(content)
    results = sum(1 for block in blocks if block.get("type") == _RESULT)
    blocks.sort(key=lambda block: block.get("type") != _RESULT)
    return Raw(write_array(blocks[:results] + front + blocks[results:]))


def _is_sealed(block: Block) -> bool:
    if bytes(block.get("type", b"")) not in _REASONING:
        return False
    return any(bytes(block.get(key, b"")).startswith(SEALED) for key in ("signature", "data"))


def _is_foreign_search(block: Block) -> bool:
    if block.get("type") != _SEARCH_RESULT:
        return False
    return any(source.get("encrypted_content") == _EMPTY for source in _listed(block.get("content")))


def _without_foreign_citations(block: Block) -> Block:
    citations = _listed(block.get("citations"))
    kept = [citation for citation in citations if citation.get("encrypted_index") != _EMPTY]
    if len(kept) == len(citations):
        return block
    rest = {key: value for key, value in block.items() if key != "citations"}
    return {**rest, "citations": Raw(write_array(kept))} if kept else rest


def _text_block(text: str) -> Block:
    return {"type": _TEXT, "text": Raw(_encode(text))}


def _text_of(block: Block) -> str:
    return _string(block.get("text"))


def _string(raw: Raw | None) -> str:
    try:
        return _decode_str(raw) if raw is not None else ""
    except ValueError:
        return ""


def _objects(raw: Raw) -> list[Block]:
    """None at all for what is no array of objects: it goes on as it is and the upstream blames it."""
    try:
        found = read_objects(raw)
    except BadJson:
        return []
    check_count(len(found), PARTS_MAX, "objects", "messages")
    return found


def _listed(raw: Raw | None) -> list[Block]:
    return _objects(raw) if raw is not None and memoryview(raw)[0] == 0x5B else []
