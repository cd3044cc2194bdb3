"""What pyreqwest's errors mean to us.

Its types are few, and mislead in one place: ``ConnectError`` also stands for a connection that was lost
*after* the request was sent. The phase and the finer kinds stand in the texts of the causes alone, so those
are read here, and nowhere else.
"""

from pyreqwest.exceptions import ConnectTimeoutError, PyreqwestError, RequestError

from switchgear.net.own_lack import MARKS
from switchgear.net.transport import FaultKind, FaultStage, TransportFault

_CONNECTING = "client error (connect)"
_TLS = ("certificate", "tls", "handshake", "corrupt message", "alert")
_KINDS: tuple[tuple[FaultKind, tuple[str, ...]], ...] = (
    ("truncated", ("end of file", "unexpected eof", "incomplete")),
    ("reset", ("reset", "broken pipe", "before message completed", "connection closed")),
    ("header_too_large", ("too large",)),
    ("protocol", ("invalid", "parsed")),
)


def transport_fault(fault: PyreqwestError, stage: FaultStage) -> TransportFault:
    """``stage``: how far the exchange had come if the error does not say that it never left."""
    if isinstance(fault, ConnectTimeoutError):
        return TransportFault("connect_timeout", "not_sent")
    causes = fault.details.get("causes") if isinstance(fault, RequestError) else None
    texts = [cause["message"].lower() for cause in causes or []]
    # The first cause repeats the URL, which may hold a key.
    words = " ".join(text for text in texts if "://" not in text)
    if any(mark in words for mark in MARKS):
        return TransportFault("no_room", "not_sent" if _CONNECTING in words else stage, words[:200])
    if _CONNECTING in words:
        kind: FaultKind = "tls" if any(mark in words for mark in _TLS) else "connect"
        return TransportFault(kind, "not_sent", words[:200])
    for kind, marks in _KINDS:
        if any(mark in words for mark in marks):
            return TransportFault(kind, stage, words[:200])
    return TransportFault("reset", stage, words[:200])
