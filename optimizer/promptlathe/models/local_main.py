"""llama.cpp's server, in a process of its own: `python -m promptlathe.models.local_main`.

It reads its options as a line of JSON from its standard input, and answers with a line that holds
its address, or why it could not start. It ends when its standard input does: with whoever started
it, however that one ended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from typing import Any, TypedDict

_CACHE_MIB = 1024
"""Memory for the beginnings of prompts, so that those of prompts that alternate are read once."""


class Options(TypedDict):
    """What the server is told."""

    path: str
    key: str
    """Whoever else is on this machine cannot use it."""
    slots: int
    """Calls that are computed at once."""
    context: int
    """Tokens of one call."""
    threads: int


def main() -> None:
    """Serve until standard input ends."""
    options: Options = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    out, sys.stdout = os.dup(1), sys.stderr
    os.dup2(2, 1)  # llama.cpp may print, and only our line belongs there
    with os.fdopen(out, "w") as told:
        try:
            server = serve(options)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            json.dump({"error": str(error)}, told)
            told.flush()
            os._exit(1)  # the thread that reads would hold up an orderly end
        json.dump({"address": server.listening_address}, told)
    threading.Event().wait()


def serve(options: Options) -> Any:
    """The running server. Raises RuntimeError when it cannot load the file."""
    xllamacpp: Any = import_module("xllamacpp")  # an extension without types
    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [options["key"]]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    params.cache_prompt, params.cache_ram_mib = True, _CACHE_MIB
    params.ui = params.warmup = False
    params.verbosity = 1  # errors
    return xllamacpp.Server(params)


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
