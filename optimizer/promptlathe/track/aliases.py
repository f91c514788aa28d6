"""Which version is the champion, which was before it, and what became of every version.

Versions that were promoted together are a set (tag SET): their aliases move together.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from promptlathe import clock
from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.track.backend import Backend
from promptlathe.track.registry import SET, versions_listed, with_alias
from promptlathe.track.store import ALIAS, CHALLENGER, PREVIOUS

AGAINST = "promptlathe.against"
"""Version tag of a challenger: the champion that it was compared with."""
ROLLED_BACK = "promptlathe.rolled_back."
"""Version tags, each with the moment in its name: the version lost the alias then; as JSON the
moment, the version that got it, and the reason."""
DRIFTED = "promptlathe.drifted"
"""Version tag: as JSON, what a watch saw of the version, when its alarm came."""
LONGEST = 1000
"""Characters of a reason."""
KNOWN = 50
"""Prompts among which a name is looked for that is like the one that is missing."""


@dataclass(frozen=True)
class Rollback:
    """A version lost the alias `champion` to another one, by hand."""

    at: str
    """ISO 8601, UTC."""
    to: int
    reason: str


@dataclass(frozen=True)
class Drifted:
    """A watch saw the version's scores fall."""

    at: str
    """The look at which the alarm came: ISO 8601, UTC."""
    since: str
    """The look at which it probably began."""
    drop: float
    """In score units."""


@dataclass(frozen=True)
class Version:
    """A version of a registered prompt; what nobody wrote down is None."""

    number: int
    at: str
    """When it was registered: ISO 8601, UTC."""
    aliases: tuple[str, ...]
    verdict: str | None
    gain: float | None
    interval: tuple[float, float] | None
    rows: int | None
    """Held-out rows of the comparison."""
    calls: int | None
    """Of the whole run."""
    opening: int | None
    """Which look at the test rows it was decided by."""
    run: str | None
    """MLflow's id."""
    rollbacks: tuple[Rollback, ...]
    drift: Drifted | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return asdict(self)


def history(backend: Backend, name: str) -> list[Version]:
    """All versions, the latest first. Raises InputError for a name that is not registered."""
    found = _versions(backend, name)
    aliased = {alias: with_alias(backend, name, alias) for alias in (ALIAS, CHALLENGER, PREVIOUS)}
    holders = {alias: int(one.version) for alias, one in aliased.items() if one is not None}
    versions = [_read(one, holders) for one in found]
    return sorted(versions, key=lambda one: one.number, reverse=True)


def roll_back(
    backend: Backend, name: str, to: int | None, reason: str
) -> dict[str, tuple[int, int]]:
    """Give the alias `champion` to the version before, or to `to`; what had it is `previous` then.

    For each prompt of the set by its name: the version that had the alias, and the one that has it
    now. Raises InputError.
    """
    if len(reason) > LONGEST:
        raise InputError(
            f"the reason has {len(reason)} characters", "--reason", f"write at most {LONGEST}"
        )
    there = {int(one.version): one for one in _versions(backend, name)}
    now = with_alias(backend, name)
    if now is None:
        raise InputError(
            f"{name} has no champion", "NAME", "a run promotes its best prompt when it is better"
        )
    if to is None:
        before = with_alias(backend, name, PREVIOUS)
        if before is None:
            raise InputError(
                f"no version of {name} was champion before {name}/{now.version}",
                "NAME",
                "name a version with --to VERSION",
            )
        to = int(before.version)
    if to not in there:
        raise InputError(
            f"{name} has no version {to}", "--to", f"its versions: {', '.join(map(str, there))}"
        )
    if to == int(now.version):
        raise InputError(f"{name}/{to} is the champion already", "--to", "name another version")
    old, new = _together(now), _together(there[to])
    if old.keys() != new.keys():
        raise InputError(
            f"{versions_listed(old)} and {versions_listed(new)} are not sets of the same prompts",
            "--to",
            "name a version that was promoted together with versions of the other prompts",
        )
    _move(backend, old, new)
    at = clock.now()
    key = f"{ROLLED_BACK}{at:%Y%m%dT%H%M%S%f}"
    for one, number in old.items():
        said = asdict(Rollback(at.isoformat(), new[one], reason))
        backend.client.set_prompt_version_tag(one, number, key, json.dumps(said))
    return {one: (number, new[one]) for one, number in old.items()}


def promote(backend: Backend, name: str, *, anyway: bool = False) -> dict[str, tuple[int, int]]:
    """Give the alias `champion` to the challenger; what had it is `previous` then.

    For each prompt of the set by its name: the version that had the alias, 0 for none, and the one
    that has it now. Raises InputError, also when it was compared with another champion than there
    is now, unless `anyway`.
    """
    _versions(backend, name)
    waiting = with_alias(backend, name, CHALLENGER)
    if waiting is None:
        raise InputError(
            f"{name} has no challenger",
            "NAME",
            "a run with  track: {promote: propose}  proposes its best prompt when it is better",
        )
    new = _together(waiting)
    holders = {one: with_alias(backend, one) for one in new}
    old = {one: int(version.version) for one, version in holders.items() if version is not None}
    met, there = waiting.tags.get(AGAINST, ""), versions_listed(old) or "none"
    if met and met != there and not anyway:
        raise InputError(
            f"{versions_listed(new)} was compared with {_champion(met)}, and now there is "
            f"{_champion(there)}",
            "NAME",
            "run the job again, which compares with that one, or promote it with --anyway",
        )
    _move(backend, old, new)
    for one in new:
        backend.client.delete_prompt_alias(one, CHALLENGER)
    return {one: (old.get(one, 0), number) for one, number in new.items()}


def _champion(listed: str) -> str:
    return "no champion" if listed == "none" else f"the champion {listed}"


def note_drift(backend: Backend, versions: Mapping[str, int], seen: Drifted) -> None:
    """Keep with each version what a watch saw."""
    for name, number in versions.items():
        backend.client.set_prompt_version_tag(name, number, DRIFTED, json.dumps(asdict(seen)))


def was_rolled_back(version: Any) -> bool:
    """An MLflow `PromptVersion` that lost the alias by hand."""
    return any(key.startswith(ROLLED_BACK) for key in version.tags)


def _move(backend: Backend, old: Mapping[str, int], new: Mapping[str, int]) -> None:
    for name, number in old.items():
        backend.client.set_prompt_alias(name, PREVIOUS, number)
    for name, number in new.items():
        backend.client.set_prompt_alias(name, ALIAS, number)


def _together(version: Any) -> dict[str, int]:
    """Of its set; a version that somebody registered by hand is alone."""
    if SET in version.tags:
        versions: dict[str, int] = json.loads(version.tags[SET])["versions"]
        return versions
    return {version.name: int(version.version)}


def _versions(backend: Backend, name: str) -> list[Any]:
    if backend.client.get_prompt(name) is None:
        known = [one.name for one in backend.client.search_prompts(max_results=KNOWN)]
        near = nearest(name, known)
        listed = ", ".join(known) or "none yet: a run registers its prompt"
        raise InputError(
            f"no prompt {name!r} is registered",
            "NAME",
            f"did you mean {near!r}?" if near else f"registered: {listed}",
        )
    return list(_pages(backend, name))


def _pages(backend: Backend, name: str) -> Iterator[Any]:
    token = None
    while True:
        page: Any = backend.client.search_prompt_versions(name, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _read(version: Any, holders: Mapping[str, int]) -> Version:
    tags: Mapping[str, str] = version.tags
    number = int(version.version)
    low, _, high = tags.get("interval", "").partition(" to ")
    moved = sorted(key for key in tags if key.startswith(ROLLED_BACK))
    return Version(
        number=number,
        at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(),
        aliases=tuple(alias for alias, holder in holders.items() if holder == number),
        verdict=tags.get("verdict"),
        gain=float(tags["gain"]) if "gain" in tags else None,
        interval=(float(low), float(high)) if high else None,
        rows=int(tags["n"]) if "n" in tags else None,
        calls=int(tags["calls"]) if "calls" in tags else None,
        opening=int(tags["test_opening"]) if "test_opening" in tags else None,
        run=json.loads(tags[SET])["run"] if SET in tags else None,
        rollbacks=tuple(Rollback(**json.loads(tags[key])) for key in moved),
        drift=Drifted(**json.loads(tags[DRIFTED])) if DRIFTED in tags else None,
    )
