"""MLflow's own optimizer: `mlflow.genai.optimize_prompts` with its GEPA."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.scorers import scorer
from openai import OpenAI

from lab.peers.reading import reader
from lab.peers.task import CONCURRENCY, PROPOSAL_KEY, TASK_KEY, Found, Order
from lab.peers.with_gepa import ask


def run(order: Order) -> Found:
    task, read = order.task, reader(order.task)
    client = OpenAI(base_url=order.url, api_key=TASK_KEY)
    # The writer is asked through litellm, which knows no other way to an address.
    os.environ |= {"OPENAI_API_BASE": order.url, "OPENAI_API_KEY": PROPOSAL_KEY}
    os.environ["MLFLOW_GENAI_EVAL_MAX_WORKERS"] = str(CONCURRENCY)

    @scorer
    def right(outputs: str, expectations: dict[str, str]) -> float:
        return float(read(outputs) == expectations["expected_response"])

    # One set of rows is for both, the failures to read and the scores to choose by.
    rows = [
        {"inputs": {"text": text}, "expectations": {"expected_response": label}}
        for text, label in order.valset
    ]
    with TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        mlflow.set_experiment("peers")
        prompt = mlflow.genai.register_prompt(name="instruction", template=task.instruction)

        def predict(text: str) -> str:
            return ask(client, task.messages(str(prompt.format()), (), text))

        result = mlflow.genai.optimize_prompts(
            predict_fn=predict,
            train_data=rows,
            prompt_uris=[prompt.uri],
            optimizer=GepaPromptOptimizer(
                reflection_model="openai:/pocket",
                max_metric_calls=order.calls,
                gepa_kwargs={"seed": order.seed},
            ),
            scorers=[right],
        )
    knobs = {"max_metric_calls": order.calls, "rows": len(rows)}
    return Found(task.messages(str(result.optimized_prompts[0].template), ()), knobs)
