"""The texts of a framework's object, and where a candidate's differ from them.

What does not vary is never written anew: the object keeps its own spelling of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count

from promptlathe.records import PROMPT, Message, Prompt
from promptlathe.space.template import compose
from promptlathe.targets.frameworks.dialects import Dialect, Unreadable

Place = tuple[str, int]
"""A prompt by the framework's name, and which of its texts."""


@dataclass(frozen=True)
class FoundText:
    """One text of a prompt, or something else that stands among its messages."""

    name: str
    """Within its prompt."""
    role: str
    template: str = ""
    """As the framework has it."""
    dialect: Dialect | None = None
    """How it is written; None: it is no text."""
    given: frozenset[str] = frozenset()
    """The variables that its prompt can fill in."""

    @cached_property
    def _read(self) -> tuple[str, Mapping[str, str], str]:
        """(with `{{ name }}`, how each was spelled, why it cannot be read)."""
        if self.dialect is None:
            return "", {}, "it is no text"
        try:
            text, spelling = self.dialect.read(self.template)
        except Unreadable as error:
            return "", {}, str(error)
        return text.strip(), spelling, ""

    @property
    def unreadable(self) -> str:
        """Why it cannot vary; "" when it can."""
        return self._read[2]

    @property
    def spelling(self) -> Mapping[str, str]:
        """How its variables are written."""
        return self._read[1]

    @property
    def shown(self) -> str:
        """As it stands in the space; what cannot stand there is a placeholder of its own."""
        return self._read[0] or f"{{{{ {self.name} }}}}"

    @property
    def message(self) -> Message:
        """Of the space."""
        return Message(self.role, self.shown)

    def written(self, text: str, spelling: Mapping[str, str]) -> str | None:
        """A candidate's text as the framework wants it; None when it is the present one.

        spelling: of all variables of the prompt. Raises ValueError when it cannot be written.
        """
        if text == compose(self.shown, {}):
            return None
        if self.dialect is None:
            raise ValueError(f"{self.name} is no text, and cannot be replaced")
        body = self.template.strip()
        before, _, after = self.template.partition(body) if body else ("", "", "")
        new = self.dialect.write(text, {**spelling, **self.spelling}, self.given)
        return before + new + after


DEMOS_HEAD = "Demos:"
"""Above demos that are kept as records, so that their message stays where it is without any."""
DEMO_END = "[[ ## completed ## ]]"


@dataclass(frozen=True)
class FoundDemos(FoundText):
    """Demos that the framework keeps as records, written as texts between `[[ ## field ## ]]`."""

    fields: tuple[str, ...] = ()
    """Of a record."""

    @property
    def demo(self) -> str:
        """The template of one demo."""
        return "\n\n".join(f"[[ ## {name} ## ]]\n{{{{ {name} }}}}" for name in self.fields)


def demos_text(records: Sequence[Mapping[str, object]]) -> str:
    """Demos as one text."""
    written = (
        "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in record.items())
        for record in records
    )
    return f"{DEMOS_HEAD}\n" + f"\n\n{DEMO_END}\n\n".join(written)


_FIELD = re.compile(r"^\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n*^\[\[ ## |\n*\Z)", re.M | re.S)


def demos_of(text: str) -> list[dict[str, str]]:
    """The records of such a text."""
    return [dict(found) for one in text.split(DEMO_END) if (found := _FIELD.findall(one))]


Found = Mapping[str, Sequence[FoundText]]
"""The texts of each prompt, by the framework's name, in order."""


def named(texts: Sequence[FoundText]) -> tuple[FoundText, ...]:
    """With names that differ from each other; a text's also from every variable of the prompt."""
    given = frozenset(name for text in texts for name in (*text.given, *text.spelling))
    taken = set[str]()
    found: list[FoundText] = []
    for text in texts:
        also = given if text.dialect else ()
        name = next(one for one in numbered(text.name) if one not in taken and one not in also)
        taken.add(name)
        found.append(replace(text, name=name, given=given))
    return tuple(found)


def numbered(name: str) -> Iterator[str]:
    """The name, `name_2`, `name_3` and so on."""
    yield name
    yield from (f"{name}_{number}" for number in count(2))


def prompt_names(found: Found, *, joined: bool = False) -> Mapping[str, str]:
    """The name of each prompt in the space, by the framework's: one that is alone is `prompt`,
    unless the space is joined all the same."""
    return {name: PROMPT if len(found) == 1 and not joined else name for name in found}


def changed(
    found: Found, prompts: Mapping[str, Prompt], *, joined: bool = False
) -> dict[Place, str]:
    """What a candidate says otherwise, as the framework wants it.

    Raises ValueError when its prompts are not those of the object, or cannot be written.
    """
    own = {name: key for key, name in prompt_names(found, joined=joined).items()}
    new: dict[Place, str] = {}
    for name, prompt in prompts.items():
        if name not in own:
            raise ValueError(f"the result has the prompt {name}, this object has {', '.join(own)}")
        texts, messages = found[own[name]], prompt.messages
        if [message.role for message in messages] != [text.role for text in texts]:
            raise ValueError(
                f"{name!r} has the messages {_roles(messages)} in the result, and "
                f"{_roles([text.message for text in texts])} in this object"
            )
        spelling = {key: one for text in texts for key, one in text.spelling.items()}
        for i, (text, message) in enumerate(zip(texts, messages, strict=True)):
            written = text.written(message.text, spelling)
            if written is not None:
                new[own[name], i] = written
    return new


def _roles(messages: Sequence[Message]) -> str:
    return ", ".join(message.role for message in messages) or "none"
