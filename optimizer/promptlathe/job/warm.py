"""Warm start: what a run knows of its candidates from earlier runs in the ledger."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.ledger import EarlierOutcome, ScoringTerms
from promptlathe.records import Candidate, content_hash
from promptlathe.space import BoundSpace

if TYPE_CHECKING:  # numpy and scipy load when they are needed
    from promptlathe.search.lathe import Earlier


def terms(job: Job) -> ScoringTerms:
    """Under which the job's scores are comparable with those of other runs."""
    model, scoring = job.model, job.objective.scoring
    if job.objective.may_judge:  # another judge gives other scores
        judge = job.scorer
        scoring = content_hash([scoring, judge.name, judge.endpoint, judge.api, judge.parameters])
    sent = content_hash(model.parameters)
    return ScoringTerms(scoring, model.name, model.endpoint, sent)


def comparable(space: BoundSpace, known: Iterable[EarlierOutcome]) -> "list[Earlier]":
    """The outcomes, in their order; which are of prompts that the space still makes.

    Texts may have changed under their names since: only the prompt's content says whether it is
    the same.
    """
    from promptlathe.search.lathe import Earlier

    same: dict[str, Candidate | None] = {}
    found: list[Earlier] = []
    for one in known:
        if one.candidate not in same:
            same[one.candidate] = _remade(space, one)
        candidate = same[one.candidate]
        levels = one.levels if candidate is None else dict(candidate.levels)
        made = candidate is not None
        found.append(Earlier(one.candidate, levels, one.example, one.value, one.model, made))
    return found


def _remade(space: BoundSpace, known: EarlierOutcome) -> Candidate | None:
    """The candidate of these levels, if the space allows it and its prompt is the same."""
    try:
        candidate = space.candidate(known.levels)
    except InputError:  # a level that the space does not have
        return None
    allowed = space.space.allows(dict(candidate.levels))
    return candidate if allowed and candidate.id == known.candidate else None
