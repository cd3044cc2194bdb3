"""Who calls: what the store knows of a key, the link carries and the relay decides by."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """Who a key is and what it may do."""

    key_id: str
    key_name: str
    key_masked: str
    user_id: str
    user_name: str
    group: str
    wallet: str
    budget: str = ""
    """Empty: bounded by the wallet only."""
    status: str = "active"
    """``active``, ``key_disabled`` or ``user_disabled``."""
    expires_at_ms: int = 0
    models: tuple[str, ...] = ()
    """Empty: all."""
    allow_ips: tuple[str, ...] = ()
    """CIDR; empty: all."""
    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0
    slot: int = 0
    """Row of the shared rate table; unique for the life of the key."""
