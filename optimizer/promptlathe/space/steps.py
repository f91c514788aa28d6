"""The steps of a run file: each names the space of one prompt, or holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from promptlathe import documents
from promptlathe.documents import Document, Loc
from promptlathe.space.joined import JoinedSpace, join
from promptlathe.space.space import SearchSpace


class Step(documents.Model):
    """One call of a chain."""

    space: Annotated[str | dict[str, Any], Field(description="A path, or the content itself")]


class Steps(documents.Model):
    """Several prompts, tuned together: these keys stand in the run file instead of `space`."""

    steps: dict[str, Step] = Field(
        min_length=1,
        description="By name, in order; a step may use the outputs of those above: {{ name }}",
    )
    output: str | None = Field(
        default=None, description="The step whose output is scored; by default the last"
    )


@dataclass(frozen=True)
class LoadedSteps:
    """The joined space, and where its parts were read from."""

    space: JoinedSpace
    run: Document
    parts: Mapping[str, Document]
    """By step."""

    def where(self, loc: Loc = ()) -> str | None:
        """The file and line of a place in the joined space, or in the run file.

        A flat name is understood too: ("components", "plan.role"), ("model", "plan.temperature").
        """
        return _where(self.run, self.parts, loc)


def load_steps(
    document: Document,
    declared: Mapping[str, Step] | None = None,
    *,
    output: str | None = None,
    function: bool = False,
) -> LoadedSteps:
    """Read the spaces that the `steps` of a run file name; paths are relative to it.

    declared, output: as the run file was read; None: what the document says. function: as for
    `join`. Raises InputError with file and line.
    """
    if declared is None:
        part = {key: document.data[key] for key in Steps.model_fields if key in document.data}
        read = documents.parse(Steps, replace(document, data=part))
        declared, output = read.steps, read.output
    parts = {step: _part(document, step, one) for step, one in declared.items()}
    spaces = {step: SearchSpace.from_document(part) for step, part in parts.items()}
    space = join(
        spaces,
        output=output,
        function=function,
        where=lambda loc: _where(document, parts, loc),
    )
    return LoadedSteps(space, document, parts)


def _part(document: Document, step: str, declared: Step) -> Document:
    if not isinstance(declared.space, str):
        return document.at("steps", step, "space")
    return document.named(declared.space, f"the step {step!r}", ("steps", step, "space"))


def _where(run: Document, parts: Mapping[str, Document], loc: Loc) -> str | None:
    match loc:
        case ("steps", str(step), "space", *rest) if step in parts:
            return parts[step].where(tuple(rest))
        case (("components" | "model") as kind, str(name), *rest) if "." in name:
            step, _, own = name.partition(".")
            return _where(run, parts, ("steps", step, "space", kind, own, *rest))
        case _:
            return run.where(loc)
