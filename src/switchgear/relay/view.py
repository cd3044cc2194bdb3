"""The configuration as one worker holds it: a snapshot with what is worked out from it once."""

from switchgear.link.snapshot import Snapshot
from switchgear.relay.addresses import Network, parse_networks
from switchgear.relay.plan import Routes


class View:
    """A snapshot, its routes and its trusted proxies; swapped as one reference."""

    __slots__ = ("routes", "snapshot", "trusted")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.routes = Routes(snapshot)
        self.trusted: tuple[Network, ...] = parse_networks(snapshot.trusted_proxies)
