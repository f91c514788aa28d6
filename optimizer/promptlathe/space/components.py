"""The components that a space may declare, each in its YAML and its Python spelling.

    role:    {choice: [null, "You are terse."]}       Choice([None, "You are terse."])
    task:    {text: "Say which team it is."}          Text("Say which team it is.")
    demos:   {demos: {count: [0, 6], template: …}}    Demos(count=(0, 6), template=…)
    body:    {order: [role, task]}                    Order(["role", "task"])
    words:   {int: [20, 80]}                          Int(20, 80)
    warmth:  {float: [0, 1]}                          Float(0, 1)
    found:   {contexts: {field: contexts, …}}         Contexts("contexts", …)
    manual:  {retrieve: {corpus: FILE, …}}            Retrieve(FILE, …)

Each may carry `when`, the condition under which it is active.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
)
from typing_extensions import TypedDict

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.records import Message
from promptlathe.space.conditions import Condition
from promptlathe.space.contracts import PARAMETER, Format, checked_format
from promptlathe.space.declared import Count, Declared, one_or_more
from promptlathe.space.messages import MessagesInput, read_messages, spell_messages
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.template import CONVERSATION, DEMOS

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
MAX_SECTIONS = 6


class Level(BaseModel):
    """A named text; None is "left out"."""

    model_config = ConfigDict(frozen=True)
    name: str
    text: str | None
    parents: tuple[str, ...] = ()
    """Names of the levels that it was made from; none: it was declared."""
    response_format: Format | None = None
    """What the service itself shall hold the answer to, as declared (space/contracts.py)."""

    @property
    def spelling(self) -> Any:
        """As YAML has it."""
        if self.response_format is None:
            return self.text
        text = {} if self.text is None else {"text": self.text}
        return {**text, PARAMETER: self.response_format}


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _text_of(given: Any, info: ValidationInfo) -> str | None:
    """An inline text, null, or the content of `{file: path}`."""
    if isinstance(given, Mapping) and set(given) == {"file"}:
        context = info.context or {}
        base, within = context.get("base", Path()), context.get("within")
        try:
            path = documents.find(base, str(given["file"]), within)
        except InputError as error:
            raise ValueError(error.what, error.fix) from None
        if not path.exists():
            raise ValueError(
                f"there is no file {path}", "the path is relative to this file's folder"
            )
        return documents.read_text(path).strip("\n")
    if given is None or isinstance(given, str):
        return given
    raise ValueError(f"a level is a text, null or {{file: path}}, not {given!r}", "quote it")


def _level(name: str, given: Any, info: ValidationInfo) -> Level:
    if not isinstance(given, Mapping) or PARAMETER not in given:
        return Level(name=name, text=_text_of(given, info))
    if unknown := next((key for key in given if key not in ("text", PARAMETER)), None):
        raise ValueError(
            f"the level {name!r} has an unknown key {str(unknown)!r}",
            f"it may have `text` and `{PARAMETER}`",
        )
    return Level(
        name=name,
        text=_text_of(given.get("text"), info),
        response_format=checked_format(given[PARAMETER]),
    )


def _name_of(given: Any) -> str:
    if given is None:
        return "none"
    if isinstance(given, Mapping) and PARAMETER in given:
        return _name_of(given.get("text") or "structured")
    if isinstance(given, Mapping):
        return Path(str(given.get("file", ""))).stem
    return _shorten(str(given))


def _levels(given: Any, info: ValidationInfo) -> Any:
    """A list or a mapping of levels becomes (name, text) records with unique names."""
    if isinstance(given, tuple) and all(isinstance(level, Level) for level in given):
        return given
    if isinstance(given, Mapping):
        pairs = [(str(name), one) for name, one in given.items()]
    elif isinstance(given, list | tuple):
        pairs = [(_name_of(one), one) for one in given]
    else:
        raise ValueError(
            "is not a list of levels", "write a list, or a mapping from a level's name to its text"
        )
    if not pairs:
        raise ValueError("has no level", "write at least two")
    levels = [_level(name, one, info) for name, one in pairs]
    for i, level in enumerate(levels):
        if level.spelling in [one.spelling for one in levels[:i]]:
            raise ValueError(f"the level {level.name!r} is listed twice", "remove one of them")
    return tuple(_unique(levels))


def _unique(levels: list[Level]) -> list[Level]:
    seen: dict[str, int] = {}
    named: list[Level] = []
    for level in levels:
        count = seen[level.name] = seen.get(level.name, 0) + 1
        name = level.name if count == 1 else f"{level.name} ({count})"
        named.append(level.model_copy(update={"name": name}))
    return named


FileInput = dict[Literal["file"], str]


class StructuredInput(TypedDict):
    """A level that sets `response_format`."""

    text: NotRequired[str | FileInput | None]
    response_format: Format


LevelInput = str | FileInput | StructuredInput | None
LevelsInput = list[LevelInput] | dict[str, LevelInput]
Levels = Annotated[
    tuple[Level, ...],
    BeforeValidator(_levels, json_schema_input_type=LevelsInput),
    PlainSerializer(lambda levels: {level.name: level.spelling for level in levels}),
]


Protected = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda given: (given,) if isinstance(given, str) else given,
        json_schema_input_type=str | list[str],
    ),
    Field(description="Phrases that every new text keeps word for word"),
]
Rewrite = Annotated[bool, Field(description="Operators may write new texts for it")]


class Choice(Declared):
    """One of several texts. Levels: a list, or a mapping from names to texts.

    A level may also set what the service holds the answer to:
    `{text: "Answer as JSON.", response_format: {json: {label: labels}}}`.

    rewrite: operators may write further levels; protect: phrases that these keep.
    """

    choice: Levels
    rewrite: Rewrite = False
    protect: Protected = ()
    when: Condition = ()

    def __init__(
        self,
        choice: Any,
        /,
        *,
        rewrite: bool = False,
        protect: Any = (),
        when: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(choice=choice, rewrite=rewrite, protect=protect, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def with_level(self, level: Level) -> "Choice":
        """With one more level, the last; it sets the answer's form as that it was made from."""
        parent = next((one for one in self.choice if one.name in level.parents[:1]), None)
        if parent and level.response_format is None:
            level = level.model_copy(update={"response_format": parent.response_format})
        return self.model_copy(update={"choice": (*self.choice, level)})


def _load_text(given: Any, info: ValidationInfo) -> Any:
    text = _text_of(given, info)
    if not text:
        raise ValueError("a text component is empty", "write a text, or leave the component out")
    return text


class Text(Declared):
    """One text, under a name of its own. In Python a plain string does as well.

    It is fixed, unless `rewrite` says that operators may write others; protect: phrases that
    these keep.
    """

    text: Annotated[
        str,
        BeforeValidator(_load_text, json_schema_input_type=str | dict[Literal["file"], str]),
    ]
    rewrite: Rewrite = False
    protect: Protected = ()
    when: Condition = ()

    def __init__(
        self,
        text: Any,
        /,
        *,
        rewrite: bool = False,
        protect: Any = (),
        when: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text=text, rewrite=rewrite, protect=protect, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def as_choice(self) -> Choice:
        """The same as the only level of a choice, to which others may be added."""
        level = Level(name=_shorten(self.text), text=self.text)
        return Choice.model_construct(
            choice=(level,), rewrite=self.rewrite, protect=self.protect, when=self.when
        )


Selection = Literal["random", "balanced", "diverse", "nearest"]
NEAREST = "nearest"
"""The selection that differs from row to row."""
Ordering = Literal["drawn", "short_first", "by_label"]


class Recruited(Declared):
    """One row of a set that was made during a run."""

    row: str = Field(description="Its id; a row of `train`")
    answer: str | None = Field(
        default=None, description="What the model answered; shown in the target's place"
    )


def _sets(recruited: dict[str, tuple[Recruited, ...]]) -> dict[str, tuple[Recruited, ...]]:
    for name, rows in recruited.items():
        if name in get_args(Selection):
            raise ValueError(f"{name!r} is a selection of its own", "give the set another name")
        if len({one.row for one in rows}) < len(rows):
            raise ValueError(f"the set {name!r} has a row twice", "list each row once")
    return recruited


def _template(given: Any) -> Any:
    """A text, or the messages of a solved example, the last of which is the assistant's."""
    if isinstance(given, str):
        if not given:
            raise ValueError("the template of a demo is empty", "write one")
        return given
    messages: tuple[Message, ...] = read_messages(given)
    if any(one.role in ("system", "developer", DEMOS) for one in messages):
        raise ValueError(
            "a demo is turns of the user and of the assistant",
            'write {user: "{{ text }}", assistant: "{{ label }}"}',
        )
    if messages[0].role not in ("user", CONVERSATION):
        raise ValueError(
            "a demo begins with what the user says",
            'let the first message be  user: "{{ text }}"  or a conversation',
        )
    if messages[-1].role != "assistant":
        raise ValueError(
            "a demo ends with what the assistant answers",
            'let the last message be  assistant: "{{ label }}"',
        )
    return messages


Template = Annotated[
    str | tuple[Message, ...],
    BeforeValidator(_template, json_schema_input_type=str | MessagesInput),
    PlainSerializer(lambda given: given if isinstance(given, str) else spell_messages(given)),
]


class DemosSpec(Declared):
    """How demos are drawn from the `train` split and written."""

    count: Count
    template: Template = Field(
        description="One demo; `{{ field }}` is a row's field. A text, or messages for demos that "
        "are turns of their own: {user: …, assistant: …}"
    )
    select: Annotated[
        tuple[Selection, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Selection | list[Selection]),
    ] = Field(
        default=("random",),
        min_length=1,
        description="`balanced` takes labels in turn, `diverse` rows that differ most, `nearest` "
        "those most like the row that is asked about",
    )
    order: Annotated[
        tuple[Ordering, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Ordering | list[Ordering]),
    ] = Field(default=("drawn",), min_length=1)
    draws: int = Field(
        default=8, ge=1, le=1000, description="How many different draws may be tried"
    )
    separator: str = Field(default="\n\n", description="Between two demos")
    recruited: Annotated[
        dict[str, Annotated[tuple[Recruited, ...], Field(min_length=1)]],
        AfterValidator(_sets),
    ] = Field(
        default_factory=dict[str, tuple[Recruited, ...]],
        description="Sets of rows that the operator `demos` made: more values of `select`",
    )

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of the template."""
        if isinstance(self.template, str):
            return (self.template,)
        return tuple(text for message in self.template for text in message.texts)

    @property
    def selections(self) -> tuple[str, ...]:
        """What `select` may be: as declared, then the recruited sets by name."""
        return (*self.select, *self.recruited)


class Demos(Declared):
    """Solved examples, drawn from `train` only: how many, which, in which order."""

    demos: DemosSpec
    when: Condition = ()

    def __init__(
        self, *, count: Any, template: Any, when: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        super().__init__(demos={"count": count, "template": template, **more}, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def with_recruited(self, name: str, rows: Sequence[Recruited]) -> "Demos":
        """These demos with one more selection: a set of rows. Raises InputError for its name."""
        if name in self.demos.recruited:
            raise InputError(f"there is a recruited set {name!r} already", f"recruited.{name}")
        recruited = {**self.demos.recruited, name: tuple(rows)}
        spec: dict[str, Any] = {**dict(self.demos), "recruited": recruited}
        return self.model_copy(update={"demos": DemosSpec(**spec)})


class Order(Declared):
    """Sections in any order: all permutations, or only the listed `layouts`."""

    order: tuple[str, ...] = Field(min_length=2, max_length=MAX_SECTIONS)
    layouts: tuple[tuple[str, ...], ...] = ()
    separator: str = "\n\n"
    when: Condition = ()

    def __init__(
        self,
        order: Any,
        /,
        *,
        layouts: Any = (),
        separator: str = "\n\n",
        when: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(order=order, layouts=layouts, separator=separator, when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def arrangements(self) -> dict[str, tuple[str, ...]]:
        """The orders that may be tried, by name; the declared one first."""
        orders = self.layouts or permutations(self.order)
        return {" > ".join(sections): tuple(sections) for sections in orders}


class Float(Declared):
    """A number in [low, high]; rounded to four decimals."""

    bounds: tuple[float, float] = Field(alias="float")
    when: Condition = ()

    def __init__(
        self, low: float, high: float, /, *, when: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(float=(low, high), when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class Int(Declared):
    """A whole number from low to high, both included."""

    bounds: tuple[int, int] = Field(alias="int")
    when: Condition = ()

    def __init__(self, low: int, high: int, /, *, when: Mapping[str, Any] | None = None) -> None:
        super().__init__(int=(low, high), when=when or ())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


KINDS: dict[str, type[Declared]] = {
    "choice": Choice,
    "text": Text,
    "demos": Demos,
    "order": Order,
    "float": Float,
    "int": Int,
    "contexts": Contexts,
    "retrieve": Retrieve,
}


def _kind(given: Any) -> str | None:
    """The kind's key that is present, or the one that a misspelt key is nearest to."""
    if isinstance(given, Declared):
        return next((f"<{key}>" for key, kind in KINDS.items() if type(given) is kind), None)
    if not isinstance(given, Mapping):
        return None
    meant = [documents.nearest(str(key), list(KINDS)) for key in given]
    found = next((key for key in KINDS if key in given), None) or next(filter(None, meant), None)
    return found and f"<{found}>"


Component = Annotated[
    Annotated[Choice, Tag("<choice>")]
    | Annotated[Text, Tag("<text>")]
    | Annotated[Demos, Tag("<demos>")]
    | Annotated[Order, Tag("<order>")]
    | Annotated[Float, Tag("<float>")]
    | Annotated[Int, Tag("<int>")]
    | Annotated[Contexts, Tag("<contexts>")]
    | Annotated[Retrieve, Tag("<retrieve>")],
    Discriminator(
        _kind,
        custom_error_type="component",
        custom_error_message="a component needs exactly one of: " + ", ".join(KINDS),
    ),
]
