"""The space of a framework's object: all of its texts are frozen until they are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptlathe.documents import describe, nearest
from promptlathe.errors import InputError
from promptlathe.records import Message
from promptlathe.space import Choice, Demos, SearchSpace, Text, differs, join, placeholders
from promptlathe.space.components import Declared, Order
from promptlathe.space.template import compose
from promptlathe.targets.frameworks.texts import (
    DEMO_END,
    DEMOS_HEAD,
    Found,
    FoundDemos,
    FoundText,
    prompt_names,
)

SHOWN = 48
"""Characters of a text that a message shows."""
MOST_DEMOS = 4
"""Where nothing else is said."""
SPELLINGS = "pl.Choice([…]), a list of levels, or a text of yours with {{ components }}"


def space_of(
    found: Found, vary: Any, components: Any, *, where: str, joined: bool = False
) -> SearchSpace:
    """The space of one prompt, or of several, joined; of one, too, where `joined` says so.

    vary: the texts that may vary: a list of names, each then may be rewritten; or a mapping from
    names to a component, levels, or a text of yours that places `components`.
    where: what the user called, for messages. Raises InputError.
    """
    opening = _Opening(found, components or {}, where, joined=joined)
    for name, given in opening.wanted(vary):
        opening.open(name, given)
    return opening.space()


class _Opening:
    def __init__(self, found: Found, components: Any, where: str, *, joined: bool) -> None:
        if not isinstance(components, Mapping):
            raise InputError(
                f"`components` is {describe(components)}", where, "write {name: pl.Demos(…)}"
            )
        self._where, self._given = where, components
        self._several, self._joined = len(found) > 1, joined or len(found) > 1
        self._texts = {
            (prompt, i): text
            for own, prompt in prompt_names(found, joined=joined).items()
            for i, text in enumerate(found[own])
        }
        self._messages = {place: text.message for place, text in self._texts.items()}
        self._parts: dict[str, dict[str, Any]] = {prompt: {} for prompt, _ in self._texts}
        self._names = {self._full(p, text.name): (p, i) for (p, i), text in self._texts.items()}
        self._used, self._opened = set[str](), set[str]()

    def wanted(self, vary: Any) -> Iterator[tuple[str, Any]]:
        """Each name, with what shall vary there; None: it may be rewritten."""
        if isinstance(vary, str):
            vary = [vary]
        if isinstance(vary, Mapping):
            yield from vary.items()
        elif isinstance(vary, list | tuple):
            yield from ((name, None) for name in vary)
        else:
            raise self._wrong(
                f"`vary` is {describe(vary)}", f"write ['name'], or {{'name': {SPELLINGS}}}"
            )

    def open(self, name: Any, given: Any) -> None:
        """One text may vary."""
        place = self._place(name)
        prompt, text = place[0], self._texts[place]
        self._opened.add(prompt)
        if isinstance(text, FoundDemos):
            self._messages[place] = Message(text.role, f"{DEMOS_HEAD}\n{{{{ {text.name} }}}}")
            self._parts[prompt][text.name] = self._demos(name, text, given)
            return
        if text.unreadable:
            raise self._wrong(
                f"{name!r} cannot vary: {text.unreadable}",
                "vary another text, or write this one with plain variables",
            )
        if isinstance(given, str):
            self._messages[place] = Message(text.role, given)
        else:
            self._messages[place] = Message(text.role, f"{{{{ {text.name} }}}}")
            self._parts[prompt][text.name] = self._component(name, text, given)

    def space(self) -> SearchSpace:
        """Of the prompts that have a text which varies; of all when nothing does."""
        parts: dict[str, SearchSpace] = {}
        for prompt, own in self._parts.items():
            if self._opened and prompt not in self._opened:
                continue
            placed = {n for m in self._of(prompt) for n in placeholders(m.text)}
            own |= {
                key: one
                for key, full in ((key, self._full(prompt, key)) for key in sorted(placed))
                if (one := self._given.get(full)) is not None
            }
            self._used |= {self._full(prompt, key) for key in own}
            parts[prompt] = SearchSpace(self._of(prompt), own)
            self._check(prompt, parts[prompt])
        if lost := next((name for name in self._given if name not in self._used), None):
            raise self._wrong(
                f"no text that varies places the component {lost!r}",
                f"write {{{{ {lost.rpartition('.')[2]} }}}} into a text of `vary`, or remove it",
            )
        return join(parts, function=True) if self._joined else next(iter(parts.values()))

    def _component(self, name: str, text: FoundText, given: Any) -> Any:
        if given is None:
            return Text(text.shown, rewrite=True)
        if isinstance(given, Mapping | list | tuple) and not isinstance(given, Declared):
            given = Choice(given)
        if isinstance(given, Text):
            given = given.as_choice
        if not isinstance(given, Choice):
            raise self._wrong(f"{name!r} cannot be {describe(given)}", f"give it {SPELLINGS}")
        return _after_the_present(text.shown, given)

    def _demos(self, name: str, text: FoundDemos, given: Any) -> Demos:
        """As given, or so many in the form that the object reads."""
        if isinstance(given, Demos):
            if not all(f"[[ ## {field} ## ]]" in given.demos.texts[0] for field in text.fields):
                raise self._wrong(
                    f"the demos of {name!r} are kept as records, which their template does not say",
                    f"give how many alone: {{{name!r}: (0, {MOST_DEMOS})}}",
                )
            return given
        count = (0, MOST_DEMOS) if given is None else given
        if isinstance(count, str | Mapping | Declared):
            raise self._wrong(f"{name!r} cannot be {describe(given)}", "give a count: (0, 4), say")
        separator = f"\n\n{DEMO_END}\n\n"
        return Demos(count=count, template=text.demo, separator=separator)

    def _place(self, name: Any) -> tuple[str, int]:
        if isinstance(name, str) and name in self._names:
            return self._names[name]
        near = nearest(str(name), list(self._names))
        listed = "; ".join(f"{one} ({self._start(place)})" for one, place in self._names.items())
        raise self._wrong(
            f"there is no text {name!r}", f"did you mean {near!r}?" if near else f"it has: {listed}"
        )

    def _check(self, prompt: str, part: SearchSpace) -> None:
        """A message cannot be left out, nor show what the object does not give its prompt."""
        given = next(iter(text.given for (p, _), text in self._texts.items() if p == prompt))
        for (_, i), message in ((p, m) for p, m in self._messages.items() if p[0] == prompt):
            least = {name: _least(one) for name, one in part.components.items()}
            if not compose(message.text, least):
                raise self._wrong(
                    f"{self._full(prompt, self._texts[prompt, i].name)!r} may become empty, and a "
                    "message of this object cannot be left out",
                    "keep a word or a field in it whatever the levels are",
                )
        opaque = {text.name for (p, _), text in self._texts.items() if p == prompt}
        for _, text in part.texts():
            for name in placeholders(text):
                if name not in part.components and name not in given | opaque:
                    raise self._wrong(
                        f"{{{{ {name} }}}} is not filled in: the prompt is given "
                        f"{', '.join(sorted(given)) or 'nothing'}",
                        "use one of these",
                    )

    def _of(self, prompt: str) -> list[Message]:
        return [message for (name, _), message in self._messages.items() if name == prompt]

    def _full(self, prompt: str, name: str) -> str:
        return f"{prompt}.{name}" if self._several else name

    def _start(self, place: tuple[str, int]) -> str:
        line = " ".join(self._texts[place].shown.split())
        return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"

    def _wrong(self, what: str, fix: str) -> InputError:
        return InputError(what, self._where, fix)


def _after_the_present(present: str, choice: Choice) -> Choice:
    """With the object's own text as the first level, the seed's, unless it is one already."""
    if any(level.text == present for level in choice.choice):
        return choice
    own = Text(present).as_choice.choice
    return choice.model_copy(update={"choice": (*own, *choice.choice)})


def _least(component: Any) -> str:
    """The shortest that a component may be, as far as it matters whether that is nothing."""
    match component:
        case _ if component.when:
            return ""
        case Choice(choice=levels):
            return "" if any(not level.text for level in levels) else "x"
        case Demos(demos=spec):
            return "x" if spec.count[0] else ""
        case Order():
            return ""
        case _:
            return "x"


def check_fits(found: Found, space: SearchSpace, where: str) -> None:
    """Raises InputError unless the object has the prompts and messages of the space."""
    own = {name: found[key] for key, name in prompt_names(found).items()}
    fix = "make the space from the target: pl.from_langchain(chain, vary=[…]), say"
    if lost := [name for name in space.prompts if name not in own]:
        raise InputError(
            f"the space has the prompt {', '.join(lost)}, and the target has {', '.join(own)}",
            where,
            fix,
        )
    for name, part in space.prompts.items():
        if changing := next((one for one in part.components if differs(part, one)), None):
            raise InputError(
                f"{changing!r} is filled in for each row, and the target fills its prompts in "
                "itself",
                where,
                "let the chain retrieve, or call the prompt from a function of yours",
            )
        roles = [message.role for message in part.messages]
        if roles != (wanted := [text.role for text in own[name]]):
            raise InputError(
                f"{name!r} has the messages {', '.join(roles)} in the space, and "
                f"{', '.join(wanted)} in the target",
                where,
                fix,
            )
