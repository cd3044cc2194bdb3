"""What a worker lends to whatever serves one of its requests."""

from collections.abc import Callable

import msgspec

from switchgear.net.transport import Transport
from switchgear.relay.attempt import Locator
from switchgear.relay.call import Books
from switchgear.relay.directory import Directory
from switchgear.relay.following import Follower
from switchgear.relay.health import Health
from switchgear.relay.meter import Count
from switchgear.relay.owned import Owned
from switchgear.relay.pace import Paces
from switchgear.relay.prepare import Fetch
from switchgear.relay.refusals import RefusalLines
from switchgear.relay.responses import Responses
from switchgear.relay.room import Rooms
from switchgear.relay.seals import EnvelopeSeals
from switchgear.relay.thoughts import KeptThoughts
from switchgear.relay.upstream_store import UpstreamStore
from switchgear.relay.view import View


class Tools(msgspec.Struct, frozen=True):
    """What a worker lends to each call."""

    books: Books
    directory: Directory
    health: Health
    transport: Transport
    locator: Locator
    count: Count
    seals: EnvelopeSeals
    fetch: Fetch
    thoughts: KeptThoughts
    responses: Responses
    upstream_store: UpstreamStore
    follower: Follower
    owned: Owned
    refusal_lines: RefusalLines
    paces: Paces
    rooms: Rooms
    view: Callable[[], View]
    """The configuration as it stands; a call takes it once."""
