"""Workers as Ray actors: made, started, heard, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from promptlathe.errors import ClusterLost, InputError
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.links import Item, Link
from promptlathe.runtime.shares import slots
from promptlathe.runtime.worker import Carried
from promptlathe.version import version

START = 60.0
"""Seconds for workers to come up: importing takes one or two, a far node some more."""
BEAT, BEATS = 5.0, 4
"""A worker is heard every BEAT seconds at least, also while all of its calls wait. Without a word
for so many of them it is lost. Ray itself takes 65 s to miss a machine that stands still or that
no network reaches, 15 s for one whose raylet was killed."""


def spawn(share: Lanes, keys: Mapping[str, SecretStr], *, node: str = "") -> Link:
    """A worker that is on its way up; on that node, if it can be."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from promptlathe.runtime.worker import Worker

    # Waiting for a service takes no processor, so as many workers as wanted fit a node. One that
    # asks for nothing at all would be placed by any node, also by one that stands still; one that
    # asks for a byte is placed by this process's (measured with Ray 2.60).
    actor_class: Any = ray.remote(Worker)
    where = NodeAffinitySchedulingStrategy(node, soft=True) if node else "SPREAD"
    options = actor_class.options(
        num_cpus=0, memory=1, max_concurrency=16, scheduling_strategy=where
    )
    own = {name: keys[name] for name in share.by_name}
    return Link(options.remote(share, own), share, slots(share))


async def ready(links: Sequence[Link], gone: asyncio.Future[ClusterLost]) -> None:
    """Until they have started. Raises InputError, and what the cluster's watch found."""
    from ray.exceptions import RayError

    places = asyncio.gather(*(_result(link.actor.start.remote()) for link in links))
    try:
        await asyncio.wait({places, gone}, timeout=START, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise gone.result()
        if not places.done():
            raise InputError(f"the Ray workers did not start within {START:g} s", "parallel")
        for link, link.place in zip(links, places.result(), strict=True):
            _check_version(link)
    except RayError as error:
        raise InputError(
            f"the Ray workers do not start: {str(error).strip().splitlines()[-1]}",
            "parallel",
            _SAME,
        ) from error
    finally:
        places.cancel()


def _check_version(link: Link) -> None:
    """Raises InputError for a worker of another version."""
    here, there = version(), link.place.version
    if here != there and "unknown" not in (here, there):
        raise InputError(
            f"promptlathe {there} is installed on {link.place.host}, {here} here", "parallel", _SAME
        )


_SAME = "install this version of promptlathe on every node of the cluster"


async def heard(link: Link) -> list[tuple[int, Carried]]:
    """Its replies. Raises TimeoutError when it is silent; time in which this loop was held up
    counts as one beat."""
    coming = asyncio.ensure_future(_result(link.actor.drain.remote(BEAT)))
    try:
        for _ in range(BEATS):
            if (await asyncio.wait({coming}, timeout=BEAT))[0]:
                return coming.result()
        raise TimeoutError(f"not heard for {BEATS * BEAT:.0f} s")
    finally:
        coming.cancel()


async def done(ref: Any, items: Sequence[Item]) -> None:
    """Until a worker has taken the calls; a mistake of ours ends them."""
    from ray.exceptions import RayError, RayTaskError

    try:
        await ref
    except RayTaskError as error:
        for item in items:
            item.fail(RuntimeError(str(error)))
    except RayError:
        pass  # who hears the worker sees it too, and sends the calls to another one


def kill(link: Link) -> None:
    """Also one that only seems to be dead, or its calls would be paid for twice."""
    import ray

    ray.kill(link.actor)


async def _result(ref: Any) -> Any:
    return await ref
