"""`python -m lab.peers.child`: an `Order` on stdin, what was found on the last line of stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module

from lab.peers.task import Found, Order

PEERS = {
    "miprov2": "with_dspy",
    "gepa": "with_gepa",
    "capo": "with_capo",
    "mlflow": "with_mlflow",
    "lathe": "with_lathe",
    "lathe-demos": "with_lathe",
    "lathe-data": "with_lathe",
    "lathe-line": "with_lathe",
    "random": "with_lathe",
}


def main() -> None:
    order = Order.of(json.load(sys.stdin))
    run: Callable[[Order], Found] = import_module(f"lab.peers.{PEERS[order.peer]}").run
    found = run(order)
    print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    main()
