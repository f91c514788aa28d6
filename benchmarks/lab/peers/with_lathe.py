"""promptlathe itself over HTTP.

`lathe` in the declared space, `random` there by random search; `lathe-demos` over demos only;
`lathe-data` over demos, and new instructions that operators make from rows of train, from the same
seed instruction as the others.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import promptlathe as pl
from lab.peers.cases import CASES, demos_only
from lab.peers.task import CONCURRENCY, MAX_TOKENS, PATIENT, Found, Order
from promptlathe.search.operators import WITHOUT_REWRITER


def run(order: Order) -> Found:
    case = CASES[order.task.name](Path(order.data))
    data = order.peer == "lathe-data"
    declared = order.peer in ("lathe", "random")
    space = case.space if declared else demos_only(case, order.task, rewrite=data)
    pocket = {"name": "pocket", "base_url": order.url}
    # Its final comparison of two prompts is paid from the same budget; the others make none.
    comparison = 2 * len(case.objective.examples("test"))
    with TemporaryDirectory() as folder:
        result = pl.optimize(
            space,
            case.objective,
            model={**pocket, "max_tokens": MAX_TOKENS, "timeout": PATIENT},
            budget=pl.Budget(calls=order.calls + comparison),
            parallel={"concurrency": CONCURRENCY},
            seed=order.seed,
            policy="random" if order.peer == "random" else "lathe",
            operators=WITHOUT_REWRITER if data else (),
            track=False,
            workspace=folder,
        )
    knobs = {"budget": order.calls + comparison, "reported": result.test.to_dict()}
    apart = result.test.examples * len({result.seed.candidate, result.best.candidate})
    return Found([(m.role, m.content) for m in result.best.messages], knobs, apart)
