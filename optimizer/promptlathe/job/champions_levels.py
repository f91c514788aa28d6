"""A job starts from the champion: levels that were made for it enter the space again.

The ledger knows them from the run that promoted it. They stand behind the declared ones, so that
the seed stays the seed; what the ledger knows of prompts with them then counts (warm.py).
"""

from dataclasses import replace

from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.job.stores import ledger_url
from promptlathe.ledger import existing_ledger
from promptlathe.results import Result
from promptlathe.results.kept import result_of, summaries
from promptlathe.space import Choice, Demos, Level, SearchSpace
from promptlathe.space.components import Component, Recruited

SELECT = ".select"
"""Behind the name of a component of demos: which rows it shows."""


def from_champion(job: Job) -> tuple[Job, str | None]:
    """The job, whose space has the levels of the latest champion that the ledger knows; and what
    to say of it. A ledger that cannot be used is left to `check`."""
    if not (job.track and job.search.warm_start):
        return job, None
    result = _latest(job)
    if result is None:
        return job, None
    train = {row.id for row in job.objective.examples("train")}
    opened = job.space.opened() if job.operators else job.space
    space, added = extended(opened, result, train)
    if not added:
        return job, None
    names = ", ".join(f"{name}/{version}" for name, version in result.registered.items())
    listed = ", ".join(added)
    return replace(job, space=space), f"the search starts from the champion {names}, too: {listed}"


def extended(
    space: SearchSpace, result: Result, train: set[str]
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space with the levels of the best prompt that were made for it, and their names.

    A level of a component that is gone, of a name that has another text now, and demos of which a
    row is gone are left out.
    """
    levels = dict(result.best.levels)
    changed: dict[str, Component] = {}
    added: list[str] = []
    for one in result.lineage:
        origin = one.origin
        if levels.get(origin.component) != origin.level:
            continue
        name = origin.component.removesuffix(SELECT)
        match changed.get(name) or space.components.get(name):
            case Choice() as choice if origin.component == name:
                known = {level.name for level in choice.choice}
                if origin.level not in known:
                    parents = tuple(parent for parent in origin.parents if parent in known)
                    made = Level(name=origin.level, text=origin.text, parents=parents)
                    changed[name] = choice.with_level(made)
                    added.append(f"{name} = {origin.level}")
            case Demos() as demos if origin.component != name:
                rows = origin.text.splitlines()
                if origin.level not in demos.demos.selections and train.issuperset(rows):
                    recruits = [Recruited(row=row) for row in rows]
                    changed[name] = demos.with_recruited(origin.level, recruits)
                    added.append(f"{origin.component} = {origin.level}")
            case _:
                pass
    return (space.with_components(changed) if changed else space), tuple(added)


def _latest(job: Job) -> Result | None:
    try:
        with existing_ledger(ledger_url(job)) as ledger:
            if ledger is None:
                return None
            for one in summaries(ledger):
                same = one.prompt == job.prompt_name and one.promoted
                if same and (job.as_of is None or one.at < job.as_of):
                    return result_of(ledger, one.run)
    except InputError:
        pass
    return None
