"""Reads one TOML text into a typed document, or says which file, which key and what was probably meant."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
import msgspec.inspect

T = TypeVar("T")

_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"missing required field `([^`]*)`")
_TABLE = re.compile(r"(\w+)\[(\d+|\.\.\.)\](.*)")
_PLACE = re.compile(r" - at `([^`]*)`$")


class CatalogError(ValueError):
    """A data file that can't be used: the message names the file, the place in it and the remedy."""

    def __init__(self, file: str, place: str, problem: str) -> None:
        super().__init__(f"{file}: {place}: {problem}" if place else f"{file}: {problem}")
        self.file = file
        self.place = place


def read_document(file: str, text: str, kind: type[T]) -> T:
    """The text as ``kind``, a struct that forbids unknown fields. Raises CatalogError."""
    try:
        raw = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise CatalogError(file, "", f"not TOML: {error}") from None
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _explained(file, str(error), kind, raw) from None


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean "…"?`` when a known word is near, else the list of known words."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known here: {', '.join(names)}" if names else ""


def _explained(file: str, message: str, kind: type, raw: dict[str, Any]) -> CatalogError:
    at = _PLACE.search(message)
    path = at.group(1).removeprefix("$").removeprefix(".") if at else ""
    place = _named(path, message, kind, raw) or "top level"
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown is not None:
        word = unknown.group(1)
        return CatalogError(file, place, f'unknown key "{word}"{suggestion(word, _fields_at(kind, path))}')
    missing = _MISSING_FIELD.search(message)
    if missing is not None:
        return CatalogError(file, place, f'the key "{missing.group(1)}" is missing')
    return CatalogError(file, place, _PLACE.sub("", message))


def _named(path: str, message: str, kind: type, raw: dict[str, Any]) -> str:
    """The path with the table at fault by its name: ``models[...]`` or ``price[3]`` → ``models."gpt-5"``.

    A map's error does not say which key it was at, so its tables are read again one by one.
    """
    found = _TABLE.match(path)
    if found is None:
        return path
    name, index, rest = found.groups()
    tables = raw[name]
    if index != "...":
        entry = tables[int(index)]
        label = entry.get("model") if isinstance(entry, dict) else None
        return f'{name}."{label}"{rest}' if label else path
    for key, table in tables.items():
        try:
            msgspec.convert({**raw, name: {key: table}}, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return f'{name}."{key}"{rest}'
    return path


def _fields_at(kind: type, path: str) -> list[str]:
    """The keys that a place such as ``price[1].tier[0]`` may have, by walking the struct's types."""
    here = msgspec.inspect.type_info(kind)
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        here = _inner(here, step)
    if isinstance(here, msgspec.inspect.StructType):
        return [field.encode_name for field in here.fields]
    return []


def _inner(here: msgspec.inspect.Type, step: str) -> msgspec.inspect.Type:
    if isinstance(here, msgspec.inspect.StructType):
        for field in here.fields:
            if field.encode_name == step:
                return field.type
    if isinstance(here, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return here.item_type
    if isinstance(here, msgspec.inspect.DictType):
        return here.value_type
    return here
