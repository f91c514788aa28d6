"""GEPA, by its own package: a model rewrites the instruction after reading its failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gepa import EvaluationBatch, optimize
from openai import OpenAI

from lab.peers.reading import reader
from lab.peers.task import (
    CONCURRENCY,
    MAX_TOKENS,
    PROPOSAL_KEY,
    TASK_KEY,
    WRITER_TOKENS,
    Found,
    Messages,
    Order,
    Pair,
    Task,
)

Candidate = dict[str, str]


class Asking:
    """GEPA's adapter: one component, the system message."""

    propose_new_texts = None

    def __init__(self, task: Task, url: str) -> None:
        self.task, self.read = task, reader(task)
        self.client = OpenAI(base_url=url, api_key=TASK_KEY)
        self.writer = OpenAI(base_url=url, api_key=PROPOSAL_KEY)

    def evaluate(
        self, batch: list[Pair], candidate: Candidate, capture_traces: bool = False
    ) -> EvaluationBatch[Any, str]:
        prompts = [self.task.messages(candidate["instruction"], (), text) for text, _ in batch]
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            outputs = list(pool.map(lambda prompt: ask(self.client, prompt), prompts))
        rows = list(zip(batch, outputs, strict=True))
        scores = [float(self.read(output) == label) for (_, label), output in rows]
        return EvaluationBatch(outputs, scores, rows if capture_traces else None)

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: EvaluationBatch[Any, str], components: Sequence[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        records = [
            {
                "Inputs": {self.task.source: text},
                "Generated Outputs": output,
                "Feedback": "Right." if score else f"Wrong: the right answer is {label!r}.",
            }
            for ((text, label), output), score in zip(
                eval_batch.trajectories or [], eval_batch.scores, strict=True
            )
        ]
        return dict.fromkeys(components, records)

    def reflect(self, prompt: str | list[dict[str, Any]]) -> str:
        if isinstance(prompt, str):
            return ask(self.writer, [("user", prompt)], WRITER_TOKENS)
        return ask(self.writer, [(m["role"], m["content"]) for m in prompt], WRITER_TOKENS)


def ask(client: OpenAI, messages: Messages, most: int = MAX_TOKENS) -> str:
    reply = client.chat.completions.create(
        model="pocket",
        messages=[{"role": role, "content": content} for role, content in messages],  # type: ignore[misc]
        temperature=0,
        max_tokens=most,
    )
    return reply.choices[0].message.content or ""


def run(order: Order) -> Found:
    task = order.task
    asking = Asking(task, order.url)
    result = optimize(
        seed_candidate={"instruction": task.instruction},
        trainset=list(task.train),
        valset=list(order.valset),
        adapter=asking,
        reflection_lm=asking.reflect,
        max_metric_calls=order.calls,
        seed=order.seed,
    )
    knobs = {"max_metric_calls": order.calls, "valset": len(order.valset)}
    return Found(task.messages(result.best_candidate["instruction"], ()), knobs)
