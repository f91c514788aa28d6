"""Cells that are decided beforehand, asked outside of a run: a look, a test, a comparison."""

from collections.abc import Callable, Sequence

from promptlathe.job.job import Job
from promptlathe.job.lanes import engine_of, fixed_models, lanes_of
from promptlathe.job.loop import Fixed, drive
from promptlathe.job.warm import terms
from promptlathe.ledger import Asking, Ledger
from promptlathe.records import Cell, Event, Outcome, Standing
from promptlathe.runtime.account import Account
from promptlathe.runtime.amounts import Amounts
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.health import Health, check_reachable
from promptlathe.runtime.writer import Writer

Told = Callable[[int, int], object]
"""Told how many answers of how many are there."""


async def ask(
    job: Job,
    cells: Sequence[Cell],
    account: Account,
    ledger: Ledger,
    *,
    run: str,
    first_guess: Amounts,
    asking: Asking,
    seen: Callable[[Outcome], object],
    reach: bool = True,
) -> None:
    """Ask all cells in order, as far as the account goes; `seen` is told of each outcome.

    They stand in the ledger as those of the run, which has ended then. reach: look first whether
    the models are there. Raises InputError, ModelUnavailable, StorageFailed or ClusterLost.
    """
    lanes = lanes_of(job)
    if reach and job.parallel.engine != "ray":
        for name, lane in lanes.by_name.items():
            if name != "rewrite":  # it is not asked
                await check_reachable(lane.settings)
    async with engine_of(job) as engine:
        ledger.begin(run, terms(job), warm=False)
        writer = Writer(ledger, run, kept=asking.leave)
        health = Health(fixed_models(job))
        caller = Caller(engine, ledger, account, lanes, health, writer, asking=asking)
        evaluator = Evaluator(caller, writer, job.target, job.objective, Forecast(first_guess))

        def watch(event: Event, settled: Sequence[Standing]) -> None:
            if isinstance(event, Outcome):
                seen(event)

        try:
            await drive(Fixed(cells), evaluator, concurrency=job.parallel.concurrency, watch=watch)
        finally:
            await evaluator.close()
        ledger.end(run)
