"""The prompts that answers are compared with, where a scorer asks for that."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.stores import tracking_uri
from promptlathe.records import Candidate, Example, Json
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import Context
from promptlathe.targets import StepsTarget
from promptlathe.track.records import registered_names
from promptlathe.track.store import default_artifacts, sqlite_file

if TYPE_CHECKING:
    from promptlathe.track.backend import Backend


@dataclass(frozen=True)
class PromptRival:
    """A candidate of the job, or its champion: its answer is made in the same way."""

    target: Target
    candidate: Candidate

    @property
    def id(self) -> str:
        return self.candidate.id

    async def output(self, example: Example, ctx: Context, step: str | None) -> Json:
        """Equal calls are one call: it is paid once for each row."""
        target = self.target if step is None else StepsTarget(step)
        return await target.run(self.candidate.prompts, example.row, ctx)


def check_rivals(job: Job) -> None:
    """Raises InputError for a champion that nobody registers."""
    if "champion" in job.objective.rivals and not job.track:
        raise InputError(
            "a scorer compares with the champion, and nothing is registered: track is false",
            job.place("run", ("track",)),
            "track the job, or write  against: seed",
        )


def with_rivals(job: Job, plan: Plan) -> Job:
    """The job whose scorers have them; without a champion, the seed stands for it.

    Asking for the champion takes seconds. Raises InputError for a store that cannot be used.
    """
    wanted = job.objective.rivals
    if not wanted:
        return job
    seed = plan.space.seed
    champion = registered_champion(job, seed) if "champion" in wanted else None
    found = {"seed": seed, "champion": champion or seed}
    rivals = {name: PromptRival(job.target, found[name]) for name in wanted}
    return replace(job, objective=job.objective.against(rivals))


def registered_champion(job: Job, seed: Candidate) -> Candidate | None:
    """The one that MLflow knows by now; asking takes seconds. Raises InputError."""
    backend = opened(job)
    if backend is None:
        return None  # the first run makes the store
    from promptlathe.track.registry import champion

    found = champion(backend, registered_names(job.prompt_name, seed.prompts))
    prompts = {name: one.prompt for name, one in found.prompts.items()}
    return Candidate((), prompts) if prompts else None


def opened(job: Job) -> "Backend | None":
    """The job's MLflow store, in this process, which takes seconds; None when there is none yet.

    Raises InputError when it cannot be used, and Away when it does not answer.
    """
    uri = tracking_uri(job)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return None
    from promptlathe.track.backend import ENVIRONMENT, Backend

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return Backend(uri, default_artifacts(job.state))
