"""When a service will shut a model down: `shutdown_date` of its list of models."""

import asyncio
from datetime import date

from promptlathe.models.seam import check_key
from promptlathe.models.settings import ModelSettings

SECONDS = 3.0
"""For a service to list its models; one that does not says nothing."""


def shutdown_dates(settings: ModelSettings) -> dict[str, date]:
    """By model, of all that the service lists with a date. Empty when it lists none in time.

    Raises InputError when the key is missing.
    """
    if settings.here:
        return {}
    key = check_key(settings).get_secret_value()
    return asyncio.run(_dates(settings.endpoint, key))


async def _dates(endpoint: str, key: str) -> dict[str, date]:
    from openai import AsyncOpenAI, OpenAIError

    client = AsyncOpenAI(api_key=key, base_url=endpoint, timeout=SECONDS, max_retries=0)
    found: dict[str, date] = {}
    try:
        async with asyncio.timeout(SECONDS), client:
            async for model in client.models.list():
                if isinstance(said := model.shutdown_date, str):
                    found[model.id] = date.fromisoformat(said[:10])
    except (OpenAIError, TimeoutError, ValueError, AttributeError, TypeError):
        pass  # many services have no such list, or one of their own
    return found
