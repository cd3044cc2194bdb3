"""How many of each thing a request may hold. Bytes are bounded where a body is read; a small body may still
hold very many small things, and each of them costs time where it is converted."""


def excess(count: int, most: int, what: str) -> str:
    """Why so many ``what`` are refused, for an error's message; empty for no more than ``most``."""
    return f"at most {most} {what} are allowed, got {count}" if count > most else ""
