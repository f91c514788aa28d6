"""One run of dspy.Evaluate against the canned server: URL CALLS THREADS.

Prints wall and processor seconds, imports and a warm-up aside. Run by `throughput.py --dspy`.
"""

from __future__ import annotations

import json
import sys
import time

import dspy


def main() -> None:
    url, calls, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    lm = dspy.LM(
        "openai/canned", api_base=url, api_key="none", cache=False, temperature=0.0, max_tokens=64
    )
    dspy.configure(lm=lm)

    class Ask(dspy.Module):
        """The bare call: no adapter, so that only the harness is measured."""

        def forward(self, text: str) -> dspy.Prediction:
            return dspy.Prediction(label=lm(messages=[{"role": "user", "content": text}])[0])

    rows = [
        dspy.Example(text=f"You triage support tickets. {i}", label="billing").with_inputs("text")
        for i in range(calls)
    ]

    def evaluate(part: list[dspy.Example]) -> float:
        evaluator = dspy.Evaluate(
            devset=part,
            metric=lambda example, found, trace=None: float(example.label == found.label),
            num_threads=threads,
            display_progress=False,
        )
        return evaluator(Ask()).score

    evaluate(rows[:threads])
    wall, cpu = time.perf_counter(), time.process_time()
    score = evaluate(rows)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert score == 100.0, score
    print(json.dumps([wall, cpu]))


if __name__ == "__main__":
    main()
