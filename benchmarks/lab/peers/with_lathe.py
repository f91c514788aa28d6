"""promptlathe itself over HTTP.

`lathe` in the declared space, `random` there by random search; `lathe-demos` over demos only;
`lathe-data` over demos, and new instructions that operators make from rows of train, from the same
seed instruction as the others; `lathe-line` likewise with all operators, a rewriter among them.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import promptlathe as pl
from lab.peers.cases import CASES, demos_only
from lab.peers.task import (
    CONCURRENCY,
    MAX_TOKENS,
    PATIENT,
    PROPOSAL_KEY,
    WRITER_TOKENS,
    Found,
    Order,
)
from promptlathe.job.plan import DECISION_SHARE
from promptlathe.search.operators import WITHOUT_REWRITER

OPERATORS = {"lathe-data": WITHOUT_REWRITER, "lathe-line": None}
"""None: the usual ones."""
WRITER_KEY = "PROMPTLATHE_BENCH_WRITER_KEY"


def run(order: Order) -> Found:
    case = CASES[order.task.name](Path(order.data))
    rewrite = order.peer in ("lathe-data", "lathe-line")
    declared = order.peer in ("lathe", "random")
    space = case.space if declared else demos_only(case, order.task, rewrite=rewrite)
    model = {"name": "pocket", "base_url": order.url, "timeout": PATIENT}
    os.environ[WRITER_KEY] = PROPOSAL_KEY
    # Its final comparison of two prompts is paid from the same budget; the others make none.
    comparison = 2 * len(case.objective.examples("test"))
    budget = min(order.calls + comparison, int(order.calls / (1 - DECISION_SHARE)))
    with TemporaryDirectory() as folder:
        result = pl.optimize(
            space,
            case.objective,
            model={**model, "max_tokens": MAX_TOKENS},
            rewriter={**model, "max_tokens": WRITER_TOKENS, "api_key_env": WRITER_KEY},
            budget=pl.Budget(calls=budget),
            parallel={"concurrency": CONCURRENCY},
            seed=order.seed,
            policy="random" if order.peer == "random" else "lathe",
            operators=OPERATORS.get(order.peer, ()),
            track=False,
            workspace=folder,
        )
    knobs = {"budget": budget, "reported": result.test.to_dict()}
    apart = result.test.examples * len({result.seed.candidate, result.best.candidate})
    return Found([(m.role, m.content) for m in result.best.messages], knobs, apart)
