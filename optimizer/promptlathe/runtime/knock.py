"""Whether anything listens where a model's service should be."""

import asyncio
from urllib.parse import urlsplit

from promptlathe.models.settings import ModelSettings

SECONDS = 5.0


async def knock(settings: ModelSettings) -> str:
    """Why no connection was taken; empty when one was, or when a proxy stands between."""
    if settings.here:
        return ""
    from promptlathe.models.transport import proxy_for

    parts = urlsplit(settings.endpoint)
    host = parts.hostname or ""
    if proxy_for(parts.scheme, host):
        return ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return await refused(host, port)


async def refused(host: str, port: int) -> str:
    """Why no connection was taken; empty when one was."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # TimeoutError is one
        return str(error) or f"no answer within {SECONDS:g} s"
    writer.close()
    return ""
