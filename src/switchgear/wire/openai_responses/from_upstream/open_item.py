"""One item of an answer while it is read."""


class OpenItem:
    """What was said of one item so far."""

    __slots__ = ("bases", "is_done", "key", "kind", "notes", "pending", "seen", "source")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seen: dict[int, int] = {}
        """Characters by content index, or by summary index."""
        self.bases: dict[int, int] = {}
        """Where the text of a part begins in that of the whole answer."""
        self.notes: dict[int, int] = {}
        """Annotations by content index."""
        self.source = ""
        """Of reasoning: ``summary`` or ``content``, whichever came first."""
        self.key = -1
        """Of a call that was started."""
        self.pending: list[str] = []
        """Arguments of a call whose name hasn't come yet."""
        self.is_done = False
