"""An object of a framework as target: a copy with the candidate's texts runs each row, and every
model in it asks through the context, so that its calls are metered, cached and recorded."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from promptlathe.data.values import copied
from promptlathe.models.settings import PARAMETERS
from promptlathe.records import PROMPT, Answer, Json, Message, Prompt, Request, content_hash
from promptlathe.runtime.seam import Context
from promptlathe.space import SearchSpace
from promptlathe.targets.calls import Calls, Threads
from promptlathe.targets.frameworks.opening import check_fits
from promptlathe.targets.frameworks.texts import Found, Place, changed

Call = Callable[[Any, dict[str, Any]], Any]
"""How the object is used for a row: (object, row) to its output, sync or async."""


@dataclass(frozen=True, repr=False)
class Asking:
    """What stands in for the models of one cell.

    Without a `repr` of its fields: frameworks write that of their models for each call.
    """

    calls: Calls
    prompts: Mapping[str, Prompt]
    _before: Counter[str] = field(default_factory=Counter[str])

    async def ask(
        self, messages: Sequence[Message], parameters: Mapping[str, Json], prompt: str = ""
    ) -> Answer:
        """prompt: the one under test that the messages were made of, where that is known."""
        return await self.calls.send(*self._request(messages, parameters, prompt))

    def wait(
        self, messages: Sequence[Message], parameters: Mapping[str, Json], prompt: str = ""
    ) -> Answer:
        """The same in a thread."""
        return self.calls.wait(*self._request(messages, parameters, prompt))

    def _request(
        self, messages: Sequence[Message], parameters: Mapping[str, Json], prompt: str
    ) -> tuple[Request, str]:
        """Who asks the same again within a row wants another answer: a retry, a vote."""
        made = self.prompts.get(PROMPT) or self.prompts.get(prompt)
        known = {name: value for name, value in parameters.items() if value is not None}
        sent = tuple(sorted({**known, **dict(made.parameters if made else ())}.items()))
        key = content_hash([[m.to_dict() for m in messages], dict(sent)])
        self._before[key] += 1
        repeat = self._before[key] - 1
        return Request(tuple(messages), sent, repeat), prompt if prompt in self.prompts else ""


def sendable(parameters: Mapping[str, Any], framework: str) -> dict[str, Json]:
    """What a framework passes to its model, by the names that are sent.

    Raises ValueError for what no call takes.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    if lost := [name for name in given if name not in PARAMETERS]:
        raise ValueError(
            f"{framework} passes {', '.join(sorted(lost))} to its model, which promptlathe does "
            f"not send; it sends {', '.join(PARAMETERS)}"
        )
    return given


class Adapter(Protocol):
    """What differs between frameworks."""

    def found(self, given: Any) -> Found:
        """The texts of the object. Raises InputError when it has none, or hides some."""
        ...

    def made(self, given: Any, texts: Mapping[Place, str], asking: Asking | None) -> Any:
        """A copy with these texts; with `asking` in its models' place, unless that is None."""
        ...

    def check_use(self, given: Any) -> None:
        """Raises InputError when the user has to say how the object is used."""
        ...

    def usual(self, given: Any, asking: Asking) -> Call:
        """How the object is used, where the user does not say."""
        ...

    def output(self, given: Any) -> Any:
        """A text, or what JSON can hold."""
        ...


@dataclass(frozen=True)
class FrameworkTarget:
    """Runs `given` for each cell."""

    given: Any
    adapter: Adapter
    use: Call | None = None
    """How; None: as the framework usually is."""

    @cached_property
    def found(self) -> Found:
        """The texts of the object."""
        return self.adapter.found(self.given)

    def check(self, space: SearchSpace) -> None:
        """Raises InputError when the space is not one of this object."""
        check_fits(self.found, space, "target")
        if self.use is None:
            self.adapter.check_use(self.given)

    @cached_property
    def _threads(self) -> Threads:
        return Threads()

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        calls = Calls(ctx)
        asking = Asking(calls, prompts)

        async def work() -> Any:
            made = self.adapter.made(self.given, changed(self.found, prompts), asking)
            use = self.use or self.adapter.usual(self.given, asking)
            if inspect.iscoroutinefunction(use):
                given = await use(made, copied(row))
            else:
                given = await self._threads.run(use, made, copied(row))
            return self.adapter.output(given)

        return await calls.output_of(work)
