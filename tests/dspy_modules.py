"""Modules of DSPy for tests; it is imported where such a test runs, which takes a second."""

from typing import Any

import dspy


class Two(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.ChainOfThought("text -> plan")
        self.answer = dspy.Predict("text, plan -> label")

    def forward(self, text: str) -> Any:
        return self.answer(text=text, plan=self.plan(text=text).plan)


class Later(dspy.Module):
    """Async alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = dspy.Predict("text -> label")

    async def aforward(self, text: str) -> Any:
        return await self.inner.acall(text=text)


class Votes(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vote = dspy.Predict("text -> label", n=3)

    def forward(self, **inputs: Any) -> Any:
        return {"labels": self.vote(**inputs).completions.label}


def lm(base_url: str = "http://127.0.0.1:9/v1", **more: Any) -> dspy.LM:
    return dspy.LM(
        "openai/shop", api_base=base_url, api_key="none", cache=False, num_retries=0, **more
    )


def sort(base_url: str = "http://127.0.0.1:9/v1") -> dspy.Predict:
    module = dspy.Predict("text -> label")
    module.lm = lm(base_url, temperature=0.0)
    return module


def configured(lm: Any) -> Any:
    """As `dspy.configure` does it, for a block."""
    return dspy.context(lm=lm)
