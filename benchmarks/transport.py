"""Our HTTP against the openai client's own aiohttp transport: calls a second, in one run.

    python benchmarks/transport.py --json out.json

Both send the same body by `client.post`; the server answers after `--latency` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import median

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient

from canned_server import canned_server
from promptlathe.models.transport import LeanClient

BODY = {
    "model": "canned",
    "messages": [{"role": "user", "content": "Ticket: my card was swallowed. " * 16}],
    "max_tokens": 64,
}


async def rate(client: AsyncOpenAI, url: str, calls: int, concurrency: int) -> float:
    """Calls a second."""
    left = iter(range(calls))

    async def one() -> None:
        for _ in left:
            response = await client.post(url, cast_to=httpx2.Response, body=BODY)
            assert json.loads(response.content)["choices"]

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    return calls / (time.perf_counter() - start)


async def compare(url: str, args: argparse.Namespace) -> list[dict[str, float]]:
    """A row for each concurrency; the two take turns, the first round only warms up."""
    address = f"{url}/chat/completions"
    https = {"own": DefaultAioHttpClient(), "lean": LeanClient(address, timeout=60)}
    clients = {
        name: AsyncOpenAI(base_url=url, api_key="none", http_client=http, max_retries=0)
        for name, http in https.items()
    }
    rows: list[dict[str, float]] = []
    for n in args.concurrency:
        found: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(args.repeats + 1):
            for name, client in clients.items():
                calls = args.calls if turn else 2 * n
                measured = await rate(client, address, calls, n)
                if turn:
                    found[name].append(measured)
        own, lean = median(found["own"]), median(found["lean"])
        rows.append({"concurrency": n, "own": own, "lean": lean, "ratio": lean / own})
    for client in clients.values():
        await client.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--latency", type=float, default=0.01, help="seconds for each answer")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", metavar="OUT", type=Path)
    args = parser.parse_args()
    with canned_server(args.latency) as url:
        rows = asyncio.run(compare(url, args))
    for row in rows:
        print("{concurrency:4.0f} in flight: own {own:6.0f}/s, lean {lean:6.0f}/s".format(**row))
        print(f"     ratio {row['ratio']:.2f}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
