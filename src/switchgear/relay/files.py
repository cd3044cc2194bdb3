"""Files behind URLs that a client names, for upstreams that take none by URL."""

import base64
from collections.abc import Mapping

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.net.fetch import Fetcher, FetchError
from switchgear.wire.neutral.request import RemoteFile


class Files:
    """``prepare.Fetch`` by the guarded fetcher."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def __call__(self, key_id: str, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
        """``key_id``: of the API key; each has a share of the places. Raises ApiError: a file that can't be
        had is the client's matter, as it named it."""
        try:
            fetched = await self._fetcher(urls, key_id)
        except FetchError as error:
            raise ApiError(INVALID_VALUE, str(error)) from None
        return {
            url: RemoteFile(file.media_type, base64.b64encode(file.data).decode())
            for url, file in fetched.items()
        }

    def allow_ports(self, ports: tuple[int, ...]) -> None:
        """From now on links may name these."""
        self._fetcher.ports = ports

    async def close(self) -> None:
        await self._fetcher.close()
