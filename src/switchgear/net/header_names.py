"""Header names as lower-case text: the same few come with every message, so they are remembered."""

from switchgear.kernel.limits import HEADER_NAME_KEPT_BYTES_MAX, HEADER_NAMES_KEPT

_names: dict[bytes, str] = {}
kept_name = _names.get
"""What ``read_name`` has made already, if it was kept."""


def read_name(name: bytes) -> str:
    """The name in lower case; kept if it is short, up to a number of names."""
    text = name.decode("latin-1").lower()
    if len(_names) < HEADER_NAMES_KEPT and len(name) <= HEADER_NAME_KEPT_BYTES_MAX:
        _names[name] = text
    return text
