"""What can be wrong with a space's tools, found before any call is paid for."""

from collections.abc import Iterator, Sequence

from promptlathe.documents import nearest
from promptlathe.space.components import Choice, Order, Text
from promptlathe.space.declaration import Declaration, Loc, problem
from promptlathe.space.template import is_name, placeholders
from promptlathe.space.tools import NAME, Tool


def check_tools(space: Declaration) -> None:
    """Raises a located pydantic error."""
    for i, tool in enumerate(space.tools):
        for loc, text in tool.texts():
            _check_text(space, ("tools", i, *loc), text)
    named: dict[str, str] = {}
    """A tool's key by each name that it may have."""
    for i, tool in enumerate(space.tools):
        if tool.known_as in [other.known_as for other in space.tools[:i]]:
            raise problem(
                ("tools", i), f"two tools have the key {tool.known_as!r}", "name one otherwise"
            )
        for name in _names(space, i, tool):
            if name in named:
                raise problem(
                    ("tools", i, "name"),
                    f"{tool.known_as!r} and {named[name]!r} may both have the name {name!r}",
                    "give each tool names of its own",
                )
            if not NAME.fullmatch(name):
                raise problem(
                    ("tools", i, "name"),
                    f"{name!r} cannot be the name of a tool",
                    "use letters without accents, digits, `_` and `-`; 64 at most",
                )
        named |= dict.fromkeys(_names(space, i, tool), tool.known_as)


def _check_text(space: Declaration, loc: Loc, text: str) -> None:
    for name in placeholders(text):
        if name not in space.components:
            near = nearest(name, space.components)
            raise problem(
                loc,
                f"{{{{ {name} }}}} is no component, and a tool is the same for every row",
                f"did you mean {{{{ {near} }}}}?" if near else "name a component",
            )
        for part, found in _levels(space, name):
            if row := placeholders(found):
                raise problem(
                    ("components", part),
                    f"{{{{ {row[0]} }}}} stands in a text that is a tool's, which is the same for "
                    "every row",
                    "place that field in a message",
                )


def _levels(space: Declaration, name: str) -> Iterator[tuple[str, str]]:
    """The texts of a component, or of the sections that it orders."""
    match space.components[name]:
        case Order(order=sections):
            for section in sections:
                yield from _levels(space, section)
        case Text(text=text):
            yield name, text
        case Choice(choice=levels):
            yield from ((name, level.text) for level in levels if level.text is not None)
        case _:
            pass


def _names(space: Declaration, i: int, tool: Tool) -> Sequence[str]:
    """All that a tool may be called."""
    names = placeholders(tool.name)
    if not names:
        return [tool.name]
    loc: Loc = ("tools", i, "name")
    one = space.components[names[0]]
    if tool.name.strip("{} ") != names[0] or not is_name(names[0]):
        raise problem(loc, f"{tool.name!r} is more than one component", "write {{ component }}")
    if tool.key is None:
        raise problem(loc, "the tool's name varies, and it has no key", "add  key: …  for scorers")
    if not isinstance(one, Choice | Text) or one.when or one.rewrite:
        raise problem(
            ("components", names[0]),
            f"{names[0]!r} is a tool's name: it must be a choice of texts that is always there, "
            "which nobody rewrites",
            "write {choice: [first_name, second_name]} without `when` and `rewrite`",
        )
    return [one.text] if isinstance(one, Text) else [level.text or "" for level in one.choice]
