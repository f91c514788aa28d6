"""HTTP on aiohttp, as a transport for the openai client.

The client ships a transport of its own. This one differs in what we need: the time limit
holds for the whole attempt, so that a service which drips one byte a minute cannot stall a
run; and a refused or lost connection is told apart from a timeout.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

_CONNECT = 10.0
"""Seconds to connect, at most: a dead address shows early."""
UNTIL = "until"
"""Of a request: when it must be answered, by the event loop's clock, in its extensions."""
_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")
_MAX_BYTES = 16_000_000
"""Of a response, unpacked: no chat completion is as large."""


class LeanClient(httpx2.AsyncClient):
    """For one service and one address: a request is built without merging what never changes.

    `benchmarks/throughput.py` shows what a call takes.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        super().__init__(transport=AioHttpTransport(), timeout=timeout, follow_redirects=True)
        self._address = httpx2.URL(url)
        self._seconds = timeout
        self._given: Any = None
        self._headers = httpx2.Headers()
        """What was made of `_given`, the headers of the last request: they hardly ever change."""

    def build_request(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        headers: Any = None,
        content: Any = None,
        timeout: Any = None,
        **_: Any,
    ) -> httpx2.Request:
        """The request that the openai client asks for; `url` is known, cookies are not kept.

        aiohttp adds the headers that tell the host and the length of the content.
        """
        seconds = timeout if isinstance(timeout, int | float) else self._seconds
        if headers != self._given:
            self._given, self._headers = headers, httpx2.Headers(headers)
        return httpx2.Request(
            method,
            self._address,
            headers=self._headers,
            stream=httpx2.ByteStream(content),
            extensions={UNTIL: asyncio.get_running_loop().time() + seconds},
        )


class AioHttpTransport(httpx2.AsyncBaseTransport):
    """One session for one event loop; how many calls are open at once is the caller's part."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and read the whole response, all before UNTIL, which redirects share.

        Raises `httpx2.TimeoutException` or another `httpx2.RequestError`: `ConnectError` and
        `ConnectTimeout` when nothing was sent, `ReadError` and `ReadTimeout` after that.
        """
        session = self._session or self._open(request.url)
        left = request.extensions[UNTIL] - asyncio.get_running_loop().time()
        if left <= 0:
            raise httpx2.ReadTimeout("no whole answer in time")
        # Connecting ends first: then it is known that nothing was sent.
        timeout = aiohttp.ClientTimeout(total=left, connect=min(_CONNECT, 0.9 * left))
        try:
            async with session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=await request.aread(),
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                content = await _read(response)
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error) or "no connection in time") from error
        except TimeoutError as error:
            what = str(error) or f"no whole answer within {left:.3g} s"
            raise httpx2.ReadTimeout(what) from error
        except aiohttp.InvalidURL as error:
            raise httpx2.UnsupportedProtocol(f"not a web address: {error}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
            raise httpx2.ConnectError(str(error) or type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from error
        # The content is unpacked: while it is read, so that a bomb cannot fill the memory.
        headers = [h for h in response.raw_headers if h[0].lower() not in _PACKING]
        return httpx2.Response(response.status, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        """Close the session and let its connections go."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            # aiohttp closes TLS connections in the loop's next turn.
            await asyncio.sleep(0)

    def _open(self, url: httpx2.URL) -> aiohttp.ClientSession:
        # httpx2's TLS context brings its own certificates, as the openai client's does; reading
        # them takes 50 ms.
        tls = httpx2.create_ssl_context() if url.scheme == "https" else True
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(url.scheme, url.host),
        )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises `httpx2.DecodingError` when it is too large."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MAX_BYTES:
            raise httpx2.DecodingError(f"the answer is larger than {_MAX_BYTES // 10**6} MB")
    return bytes(content)


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for.

    aiohttp's `trust_env` reads them too, but again for every request, in a thread.
    """
    return None if proxy_bypass(host) else getproxies().get(scheme)
