"""What is kept of a job beside its result."""

from datetime import datetime

from promptlathe import clock
from promptlathe.documents import shown_url
from promptlathe.job.described import experiment_of
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.stores import tracking_uri
from promptlathe.results import Facts
from promptlathe.track.store import default_uri


def facts(job: Job, plan: Plan, began: datetime) -> Facts:
    """Of a run that ends now."""
    objective, space = job.objective, plan.space.space
    return Facts(
        name=job.name,
        experiment=experiment_of(job),
        prompt=job.prompt_name,
        promotes=bool(job.track and job.track.promote == "if_better"),
        objective=objective.name,
        goal=objective.goal or f"maximize {next(iter(objective.weights))}",
        scorers=tuple(scorer.name for scorer in objective.scorers),
        target=objective.target,
        labels=tuple(objective.label_counts),
        model=job.model.name,
        endpoint=shown_url(job.model.endpoint),
        embedded=job.model.embedded,
        parameters=job.model.parameters,
        rewriter=job.writer.name if job.operators and job.writer.writes else "",
        judge=job.scorer.name if objective.judges else "",
        policy=job.search.policy,
        seed=job.search.seed,
        engine=job.parallel.engine,
        concurrency=job.parallel.concurrency,
        space=str(job.space.size),
        components={one.name: one.domain.count or 0 for one in space.parameters},
        rows={
            "train": len(plan.space.train),
            "select": len(plan.select),
            "test": len(plan.test),
        },
        budget=job.budget.limits,
        best_possible=objective.bounds and objective.bounds[1],
        store=_store(job),
        file=job.place("run", ()) or "",
        began=began,
        ended=clock.now(),
    )


def _store(job: Job) -> str:
    """MLflow's, where it is another than the workspace's own."""
    if not job.track:
        return ""
    uri = tracking_uri(job)
    return "" if uri == default_uri(job.state) else shown_url(uri)
