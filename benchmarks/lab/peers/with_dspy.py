"""DSPy's MIPROv2: instructions that a model proposes, demo sets, TPE over their pairs."""

from __future__ import annotations

from typing import Any

import dspy

from lab.peers.reading import reader
from lab.peers.task import (
    CONCURRENCY,
    MAX_TOKENS,
    PROPOSAL_KEY,
    TASK_KEY,
    WRITER_TOKENS,
    Found,
    Order,
    Task,
)

MINIBATCH, FULL_EVERY = 35, 5


class PlainAdapter(dspy.ChatAdapter):
    """Our own layout for the task; any other request as usual, its answer taken as it is.

    The pocket model does not write DSPy's `[[ ## field ## ]]` markers: with the usual adapter
    every answer would fail to parse.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(use_json_adapter_fallback=False)
        self.task, self.read = task, reader(task)

    def format(self, signature: Any, demos: Any, inputs: Any) -> list[dict[str, Any]]:
        if "label" not in signature.output_fields:
            return super().format(signature, demos, inputs)
        pairs = [(demo["text"], demo["label"]) for demo in demos]
        messages = self.task.messages(signature.instructions, pairs, inputs["text"])
        return [{"role": role, "content": content} for role, content in messages]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        if "label" in signature.output_fields:
            return {"label": self.read(completion) or completion}
        try:
            return super().parse(signature, completion)
        except dspy.utils.exceptions.AdapterParseError:
            return dict.fromkeys(signature.output_fields, completion)


def run(order: Order) -> Found:
    task = order.task
    dspy.configure_cache(enable_disk_cache=False)

    def model(key: str, most: int = MAX_TOKENS) -> dspy.LM:
        return dspy.LM(
            "openai/pocket", api_base=order.url, api_key=key, temperature=0.0, max_tokens=most
        )

    dspy.configure(lm=model(TASK_KEY), adapter=PlainAdapter(task))
    program = dspy.Predict(dspy.Signature("text -> label", task.instruction))

    def rows(pairs: Any) -> list[dspy.Example]:
        return [dspy.Example(text=t, label=label).with_inputs("text") for t, label in pairs]

    valset = rows(order.valset)
    # Every trial takes a minibatch, each fifth one pass of the valset; bootstrapping a few calls.
    bootstrapping = 2 * len(valset)
    trials = round((order.calls - bootstrapping) / (MINIBATCH + len(valset) / FULL_EVERY))
    trials = max(2, trials)
    # As its own `auto` settings have it: at least one and a half trials for each candidate.
    candidates = min(18, max(3, trials * 2 // 3))
    optimizer = dspy.MIPROv2(
        metric=lambda example, found, trace=None: float(example.label == found.label),
        prompt_model=model(PROPOSAL_KEY, WRITER_TOKENS),
        max_labeled_demos=task.shots,
        auto=None,
        num_candidates=candidates,
        num_threads=CONCURRENCY,
        seed=order.seed + 1,  # 0 would mean its default
    )
    best = optimizer.compile(
        program,
        trainset=rows(task.train),
        valset=valset,
        num_trials=trials,
        minibatch_size=min(MINIBATCH, len(valset)),
        minibatch_full_eval_steps=FULL_EVERY,
    )
    demos = [(demo["text"], demo["label"]) for demo in best.demos]
    knobs = {"num_trials": trials, "num_candidates": candidates, "valset": len(valset)}
    return Found(task.messages(best.signature.instructions, demos), knobs)
