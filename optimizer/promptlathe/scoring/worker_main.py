"""The worker process: makes measures of scorers, and scores what it is sent, one by one.

On standard input come pickles of `("make", number, scorer, labels, folder)` and of `("score",
number, seconds, example, trace)`. Each is answered by `("ok", Score or None)` or `("error", text)`,
after a first "ok". What functions of yours print goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from pathlib import Path
from typing import Any

from promptlathe.scoring.loading import said
from promptlathe.scoring.scorer import Measure, Scorer, Surroundings, Unscored

GRACE = 10
"""Seconds after which a scorer beyond its limit ends, when nobody is left to end it."""


def main() -> None:
    """Serve until the input ends."""
    orders = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    measures: dict[int, Measure] = {}
    _answer(answers, ("ok", None))
    with contextlib.suppress(EOFError, OSError):  # whoever asked is gone
        while True:
            _answer(answers, _serve(pickle.load(orders), measures))


def _serve(order: tuple[Any, ...], measures: dict[int, Measure]) -> tuple[str, Any]:
    try:
        match order:
            case ("make", number, blob, labels, folder):
                scorer: Scorer = pickle.loads(blob)
                measures[number] = scorer.measure(Surroundings(labels.__getitem__, Path(folder)))
                return "ok", None
            case (_, number, seconds, example, trace):
                _ends_after(seconds + GRACE)
                ctx: Any = None  # only what is `async` takes it, and that is scored elsewhere
                score = measures[number](example, trace, ctx)
                pickle.dumps(score)
                return "ok", score
            case _:
                raise ValueError(f"no such order: {order!r}")
    except Unscored as error:
        return "error", str(error)
    except BaseException as error:  # noqa: BLE001  # also sys.exit() in a function of yours
        return "error", f"raised {said(error)}"
    finally:
        _ends_after(0)


def _ends_after(seconds: float) -> None:
    """Has the system end this process then, even within a regular expression; 0: not at all."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(answers: Any, said: tuple[str, Any]) -> None:
    pickle.dump(said, answers)
    answers.flush()
