"""What prompts that a service keeps have in common: a name, no file, no tests."""

from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Draft, Foreign, Lost
from promptlathe.exchange.imports.templates import Place, Reading
from promptlathe.records import Json, Message


def place_in(where: str, number: int | None = None) -> Place:
    """A line of a message (from 1) of a prompt."""
    part = f", message {number}" if number else ""

    def place(line: int, piece: str) -> str:
        del piece
        return f"{where}{part}, line {max(line, 1)}"

    return place


def service_draft(
    name: str,
    where: str,
    messages: list[Message],
    model: dict[str, Json],
    reading: Reading,
    lost: list[Lost],
) -> Draft:
    """Of a prompt that a service keeps, which has no tests. Raises InputError where nothing
    remains."""
    messages = [one for one in messages if one.text.strip()]
    lost = [*lost, *reading.lost]
    if not messages or not reading.names.known:
        why = f" ({lost[0].what})" if lost else ""
        what = "shows no field of a row" if messages else "has no text"
        raise InputError(
            f"the prompt {what}{why}", where, "write one in double braces, such as {{ question }}"
        )
    kept = [f"fields: {', '.join(reading.names.known)}"]
    if model:
        kept.append(f"the model {model['name']}, with {len(model) - 1} settings")
    kept += [f"the field {old!r} is called {new!r}" for old, new in reading.names.changed.items()]
    return Draft(
        name=name,
        source=where,
        prompts=(Foreign(name, tuple(messages), where),),
        model=model,
        kept=tuple(kept),
        lost=tuple(lost),
    )
