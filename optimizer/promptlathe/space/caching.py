"""What a provider's prompt cache can keep: it ends where a prompt first differs from the last."""

from collections.abc import Sequence
from itertools import islice, product

from promptlathe.space.components import NEAREST, Choice, Demos, Order, Text
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.space import SearchSpace
from promptlathe.space.template import placeholders

MOST_ORDERS = 720


def caching_notes(space: SearchSpace) -> list[str]:
    """A note for each component that differs from row to row and may stand before one that does
    not: all that follows is read anew in each call, and paid for in full."""
    notes: list[str] = []
    for step, part in space.prompts.items():
        found: dict[str, str] = {}
        for names in _sequences(part):
            for i, name in enumerate(names):
                fixed = next((other for other in names[i + 1 :] if _is_fixed(part, other)), None)
                if differs(part, name) and fixed:
                    found.setdefault(name, fixed)
        start = f"{step}." if space.chained else ""
        notes += [
            f"{start}{name} differs from row to row and may stand before {start}{fixed}: a "
            "provider's prompt cache ends where it begins; what is fixed is best put before it"
            for name, fixed in found.items()
        ]
    return notes


def _sequences(space: SearchSpace) -> list[Sequence[str]]:
    """The placeholders of the messages in order, for the arrangements of its sections."""
    names = [name for message in space.messages for name in placeholders(message.text)]
    options: list[list[tuple[str, ...]]] = []
    for name in names:
        one = space.components.get(name)
        options.append(list(one.arrangements.values()) if isinstance(one, Order) else [(name,)])
    return [sum(parts, ()) for parts in islice(product(*options), MOST_ORDERS)]


def differs(space: SearchSpace, name: str) -> bool:
    """A component that is, or may be, another for each row."""
    one = space.components.get(name)
    if isinstance(one, Demos):
        return NEAREST in one.demos.select and one.demos.count[1] > 0
    return isinstance(one, Contexts | Retrieve)


def _is_fixed(space: SearchSpace, name: str) -> bool:
    match space.components.get(name):
        case Demos():
            return not differs(space, name)
        case Text(text=text):
            return not placeholders(text)
        case Choice(choice=levels):
            return not any(placeholders(level.text or "") for level in levels)
        case _:
            return False
