"""Which model answers which role and step of a job, with how many slots."""

import math
from dataclasses import replace

from promptlathe.job.job import Job
from promptlathe.models.images import Pictures
from promptlathe.models.local_server import SLOTS as LOCAL_SLOTS
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Role
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.pacing import QUIET
from promptlathe.search.operators.rewriting_policy import ASKED
from promptlathe.space import JoinedSpace


def lanes_of(job: Job) -> Lanes:
    """Models of one service share its slots. A rewriter has its own: it is often slow, and never
    holds up the prompts under test."""
    found = {"task": _lane(job, job.model)}
    for step, settings in job.step_models.items():
        found[f"task/{step}"] = _lane(job, settings)
    if job.objective.may_judge:
        found["judge"] = _lane(job, job.scorer)
    if job.operators:
        found["rewrite"] = replace(_lane(job, job.writer), slots=ASKED, pool="")
    output = job.space.output if isinstance(job.space, JoinedSpace) else ""
    return Lanes(
        found,
        job.objective.folder,
        job.objective.within,
        pictures_of(job),
        labels=tuple(job.objective.labels) if _says_chances(job, output) else (),
        output=output,
    )


def _says_chances(job: Job, output: str) -> bool:
    """Whether it is worth asking how likely the labels were: a scorer reads one in the output,
    `lathe` learns from it, and nothing is known against it. A batch has no second attempt."""
    model = job.step_models.get(output, job.model)
    known = model.preset.logprobs if model.preset else None
    reads = job.objective.contract.parse[-1] == "label"
    alone = job.function is None and job.parallel.engine != "batch"
    wanted = job.search.soft == "auto" and job.search.policy == "lathe"
    return wanted and reads and alone and known is not False


def pictures_of(job: Job) -> Pictures:
    """Where the pictures are kept that models draw."""
    return Pictures((job.state / "images").resolve())


def _lane(job: Job, settings: ModelSettings) -> Lane:
    slots = job.parallel.concurrency
    if settings.gguf is not None:
        slots = min(slots, LOCAL_SLOTS)
    waits = job.parallel.engine == "batch" and settings.batched
    return Lane(settings, slots, pool=settings.endpoint, quiet=math.inf if waits else QUIET)


def engine_of(job: Job) -> Engine:
    """What carries the calls: in the job's own carrier, where it has one."""
    engine = _engine(job)
    return job.carrier(engine) if job.carrier else engine


def _engine(job: Job) -> Engine:
    """Local, in batches, or on Ray, which has nothing to do for models whose files are served
    here."""
    parallel, lanes = job.parallel, lanes_of(job)
    elsewhere = any(one.settings.gguf is None for one in lanes.by_name.values())
    if parallel.engine == "ray" and elsewhere:
        from promptlathe.runtime.ray_engine import RayEngine

        return RayEngine(lanes, workers=parallel.workers, address=parallel.address)
    if parallel.engine == "batch":
        from promptlathe.runtime.batch import BatchEngine

        return BatchEngine(lanes, job.state / "batches")
    return LocalEngine(lanes)


def fixed_models(job: Job) -> dict[Role, str]:
    """By role, the only model that its calls may go to; none where the space names others."""
    named = any("name" in part.model for part in job.space.prompts.values())
    task: dict[Role, str] = {} if named or job.step_models else {"task": job.model.name}
    return {**task, "judge": job.scorer.name}
