"""Files within a conversation, for dialects that hold less of them than was said: what is text becomes a
text, what was said about a file stands before it, and a file has a name that shows its kind."""

import base64
import binascii
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from switchgear.wire.neutral.request import File, Part, Text

_ENDS = {
    "application/pdf": "pdf",
    "application/json": "json",
    "application/xml": "xml",
    "application/rtf": "rtf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
    "text/xml": "xml",
}
_TYPES = {end: media_type for media_type, end in _ENDS.items()} | {"xml": "text/xml"}
_TEXTS = ("text/", "application/json", "application/xml")


def spelt_out(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts whose files carry nothing but their bytes, a name and a kind."""
    for part in parts:
        if not isinstance(part, File):
            yield part
        elif part.text:
            yield Text("\n".join(head for head in (part.filename, part.context, part.text) if head))
        elif part.context:
            yield Text(part.context)
            yield replace(part, context="")
        else:
            yield part


def as_text(part: Part) -> Part:
    """A file of bytes that are plain text, as one of text; any other part as it is."""
    if not isinstance(part, File) or not part.data or not part.media_type.startswith(_TEXTS):
        return part
    try:
        text = base64.b64decode(part.data).decode("utf-8")
    except (binascii.Error, ValueError):
        return part
    return replace(part, data="", text=text) if text else part


def file_name(part: File) -> str:
    """Its name with an end by which an upstream can tell the kind."""
    if "." in part.filename:
        return part.filename
    kind = part.media_type.rpartition("/")[2]
    end = _ENDS.get(part.media_type, kind if kind.isalnum() and len(kind) <= 5 else "bin")
    return f"{part.filename or 'file'}.{end}"


def type_by_name(filename: str) -> str:
    """The media type that a name's end speaks of; that of any bytes where it speaks of none."""
    return _TYPES.get(filename.rpartition(".")[2].lower(), "application/octet-stream")
