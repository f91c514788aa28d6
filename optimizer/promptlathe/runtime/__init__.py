"""Calls to answers, many at once: one contract, two engines.

engine      the contract, with its timeline
local       this process's event loop
ray_engine  worker processes, on this machine or a cluster
cluster     joining or starting the Ray cluster
"""

from promptlathe.runtime.engine import Engine, Reply
from promptlathe.runtime.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Reply"]
