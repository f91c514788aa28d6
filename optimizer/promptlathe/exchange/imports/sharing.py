"""Several prompts as levels of one space: what they share stands once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlathe.exchange.imports.draft import Foreign, Lost
from promptlathe.records import Content, Image, Message
from promptlathe.space.template import placeholders


@dataclass(frozen=True)
class Shared:
    """Of a space file."""

    messages: tuple[tuple[str, Content], ...]
    """By role, with components as placeholders."""
    components: Mapping[str, Mapping[str, str]]
    """Levels by name; of one level, the text that operators may rewrite."""
    said: tuple[str, ...]
    """Which prompts became what."""
    lost: tuple[Lost, ...]


def shared(prompts: Sequence[Foreign], taken: Sequence[str] = ()) -> Shared:
    """taken: names that components may not have."""
    seed = prompts[0]
    fitting: list[Foreign] = []
    lost: list[Lost] = []
    for one in prompts:
        if why := _unlike(one, seed):
            lost.append(Lost(f"the prompt {one.name!r}: {why}", one.where))
        elif all(other.messages != one.messages for other in fitting):
            fitting.append(one)
    if len(fitting) == 1:
        return _alone(seed, lost, taken)
    messages: list[tuple[str, Content]] = []
    components: dict[str, Mapping[str, str]] = {}
    said: list[str] = []
    names = _level_names(fitting)
    for place, first in enumerate(seed.messages):
        texts = [one.messages[place].content for one in fitting]
        if all(text == first.content for text in texts) or not isinstance(first.content, str):
            messages.append((first.role, first.content))
            continue
        before, after, middles = _apart([str(text) for text in texts])
        name = _free("instruction" if not components else first.role, [*taken, *components])
        levels = dict(zip(names, middles, strict=True))
        components[name] = levels
        lines = [*before, f"{{{{ {name} }}}}", *after]
        messages.append((first.role, "\n".join(lines)))
        whole = "" if before or after else " (the whole message)"
        said.append(
            f"{len(fitting)} prompts: levels of the component {name!r}{whole}, in the message of "
            f"the role {first.role}"
        )
    return Shared(tuple(messages), components, tuple(said), tuple(lost))


def _unlike(one: Foreign, seed: Foreign) -> str | None:
    """Why a prompt cannot be a level beside the seed's."""
    roles = [message.role for message in one.messages]
    if roles != [message.role for message in seed.messages]:
        return (
            f"its messages are {', '.join(roles)}, not as those of {seed.name!r}: import it alone"
        )
    for message, first in zip(one.messages, seed.messages, strict=True):
        if message.content != first.content and not (
            isinstance(message.content, str) and isinstance(first.content, str)
        ):
            return "its pictures are others"
        if _fields(message) != _fields(first):
            return f"it shows other fields than {seed.name!r} in the same message: import it alone"
    return None


def _fields(message: Message) -> set[str]:
    return {name for text in message.texts for name in placeholders(text)}


def _apart(texts: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Lines that all texts begin and end with, and what stands between them."""
    lines = [text.split("\n") for text in texts]
    least = min(map(len, lines))
    before = 0
    while before < least - 1 and len({one[before] for one in lines}) == 1:
        before += 1
    after = 0
    while after < least - before - 1 and len({one[-1 - after] for one in lines}) == 1:
        after += 1
    middles = ["\n".join(one[before : len(one) - after]) for one in lines]
    if any(not middle.strip() for middle in middles):  # a level is a text
        return [], [], list(texts)
    first = lines[0]
    return first[:before], first[len(first) - after :], middles


def _alone(seed: Foreign, lost: list[Lost], taken: Sequence[str]) -> Shared:
    """One prompt: its longest part without a field may be rewritten."""
    name = _free("instruction", taken)
    runs = [
        (len(text), place, start, end)
        for place, message in enumerate(seed.messages)
        if isinstance(message.content, str) and message.role != "assistant"
        for start, end, text in _plain_runs(message.content)
    ]
    messages = [(message.role, message.content) for message in seed.messages]
    runs = runs or [
        (len(message.content), place, 0, message.content.count("\n") + 1)
        for place, message in enumerate(seed.messages)
        if isinstance(message.content, str)
    ]
    if not runs:
        said = "one prompt, as it is: no part of it is a text that could vary"
        return Shared(tuple(messages), {}, (said,), tuple(lost))
    _, place, start, end = max(runs)
    lines = str(messages[place][1]).split("\n")
    text = "\n".join(lines[start:end])
    held = [*lines[:start], f"{{{{ {name} }}}}", *lines[end:]]
    messages[place] = (messages[place][0], "\n".join(held))
    said = f"one prompt: operators may rewrite the component {name!r}, all else stays"
    return Shared(tuple(messages), {name: {"": text}}, (said,), tuple(lost))


def _plain_runs(text: str) -> list[tuple[int, int, str]]:
    """Runs of lines without a field: from, to, text; blank lines around them aside."""
    lines = text.split("\n")
    found: list[tuple[int, int, str]] = []
    start = 0
    for place, line in enumerate([*lines, "{{ end }}"]):
        if placeholders(line):
            first, last = start, place
            while first < last and not lines[first].strip():
                first += 1
            while last > first and not lines[last - 1].strip():
                last -= 1
            if last > first:
                found.append((first, last, "\n".join(lines[first:last])))
            start = place + 1
    return found


def _level_names(prompts: Sequence[Foreign]) -> list[str]:
    found: list[str] = []
    for one in prompts:
        name = one.name
        number = 2
        while name in found:
            name = f"{one.name}-{number}"
            number += 1
        found.append(name)
    return found


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"{name}_"
    return name


def listed(content: Content) -> str | list[str | dict[str, str]]:
    """A message's content as a space file spells it."""
    if isinstance(content, str):
        return content
    return [{"image": one.url} if isinstance(one, Image) else one for one in content]
