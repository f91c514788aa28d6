"""Components that show contexts: those that a row has, or those found in a corpus of your own.

    passages: {contexts: {field: contexts, count: [0, 5]}}
    manual:   {retrieve: {corpus: manual.jsonl, query: question, count: [1, 4]}}

In Python `Contexts("contexts", count=(0, 5))`, and `Retrieve("manual.jsonl", query=…, count=…)`.

They differ from row to row, so a candidate's prompt keeps a placeholder and a rule (fills.py).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.space.conditions import Condition
from promptlathe.space.declared import Count, Declared, one_or_more
from promptlathe.space.template import not_placeholder, placeholders

Markup = Literal["xml", "numbered", "jsonl", "template"]
Arrangement = Literal["given", "best_last", "best_first"]
Ranking = Literal["best_first", "best_last"]
By = Literal["bm25", "tfidf"]
OF_PASSAGE = ("id", "number", "title", "text")
"""What a template may show of a passage."""


class ShownSpec(Declared):
    """How passages are written."""

    markup: Annotated[
        tuple[Markup, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Markup | list[Markup]),
    ] = Field(default=("xml",), min_length=1)
    template: str | None = Field(
        default=None, description="One passage, for the markup `template`: {{ id }}, {{ text }} …"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_template(cls, data: Any) -> Any:
        """A template alone is the markup."""
        if isinstance(data, Mapping) and data.get("template") and "markup" not in data:
            return {**data, "markup": "template"}
        return data

    @field_validator("template")
    @classmethod
    def _shows_text(cls, template: str | None) -> str | None:
        if template is None:
            return None
        if found := not_placeholder(template):
            raise ValueError(f"{found} is not a placeholder", "a placeholder is {{ name }}")
        names = placeholders(template)
        if unknown := next((name for name in names if name not in OF_PASSAGE), None):
            near = documents.nearest(unknown, OF_PASSAGE)
            hint = f"did you mean {{{{ {near} }}}}?" if near else ""
            raise ValueError(
                f"a passage has no {{{{ {unknown} }}}}",
                hint or "it has {{ id }}, {{ number }}, {{ title }} and {{ text }}",
            )
        if "text" not in names:
            raise ValueError("the template shows no {{ text }}", "place {{ text }} in it")
        return template

    @model_validator(mode="after")
    def _template_used(self) -> Self:
        if ("template" in self.markup) != (self.template is not None):
            raise ValueError(
                "`template` is missing" if self.template is None else "`template` is not used",
                "a markup `template` and a `template` go together",
            )
        return self


class ContextsSpec(ShownSpec):
    """Which contexts of a row are shown."""

    field: str = Field(min_length=1, description="Of the row: a list of texts or objects")
    count: Count
    order: Annotated[
        tuple[Arrangement, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Arrangement | list[Arrangement]),
    ] = Field(
        default=("given",),
        min_length=1,
        description="The best has the highest `score`; without scores, the first is the best",
    )


def _corpus(given: Any, info: ValidationInfo) -> str:
    """The file's absolute path. Raises ValueError(what, fix)."""
    if not isinstance(given, str | Path) or not str(given):
        raise ValueError(f"a corpus is a file, not {given!r}", "name a .jsonl file of passages")
    context = info.context or {}
    try:
        path = documents.find(context.get("base", Path()), str(given), context.get("within"))
    except InputError as error:
        raise ValueError(error.what, error.fix) from None
    if not documents.is_file(path):
        raise ValueError(f"there is no file {path}", "the path is relative to this file's folder")
    return str(path.absolute())


class RetrieveSpec(ShownSpec):
    """Which passages of a corpus are found for a row."""

    corpus: Annotated[str, BeforeValidator(_corpus, json_schema_input_type=str)] = Field(
        description="A file with a passage a row: .jsonl, .csv, .tsv or .parquet"
    )
    field: str = Field(default="text", min_length=1, description="Of the corpus: a passage's text")
    query: str = Field(
        min_length=1, description="Of the row, or an earlier step: what is searched for"
    )
    count: Count
    by: Annotated[
        tuple[By, ...], BeforeValidator(one_or_more, json_schema_input_type=By | list[By])
    ] = Field(default=("bm25",), min_length=1)
    order: Annotated[
        tuple[Ranking, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Ranking | list[Ranking]),
    ] = Field(default=("best_first",), min_length=1)


class Contexts(Declared):
    """The contexts that a row has: how many, in which order and markup."""

    contexts: ContextsSpec
    when: Condition = ()

    def __init__(
        self, field: str, /, *, count: Any, when: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        super().__init__(contexts={"field": field, "count": count, **more}, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def spec(self) -> ContextsSpec:
        return self.contexts

    @property
    def field(self) -> str:
        """Of the row, which it is made of."""
        return self.contexts.field


class Retrieve(Declared):
    """Passages of a corpus, found for each row: how many, by what, in which order and markup."""

    retrieve: RetrieveSpec
    when: Condition = ()

    def __init__(
        self,
        corpus: str | Path,
        /,
        *,
        query: str,
        count: Any,
        when: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        given = {"corpus": corpus, "query": query, "count": count, **more}
        super().__init__(retrieve=given, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def spec(self) -> RetrieveSpec:
        return self.retrieve

    @property
    def field(self) -> str:
        """Of the row, which it is made of."""
        return self.retrieve.query
