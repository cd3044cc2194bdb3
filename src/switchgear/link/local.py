"""The link inside one process, over a socket pair: what tests and the one-process mode use."""

import asyncio
import socket

from switchgear.link.unix import LinkClient, LinkServer


async def attach(server: LinkServer, client: LinkClient) -> None:
    """Connects the two ends once; the caller has set the client's callbacks by ``LinkClient.expect``."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    await loop.connect_accepted_socket(server.attach, far)
    await loop.create_unix_connection(client.attach, sock=near)
