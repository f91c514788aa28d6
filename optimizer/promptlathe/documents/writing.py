"""Plain data to YAML text."""

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

_ONE_LINE = 90
"""Characters that a list or mapping may have to stand on one line."""


class _Representer(RoundTripRepresenter):
    """Writes what is left out as `null`, wherever it stands."""

    def represent_none(self, data: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def to_yaml(data: Mapping[str, Any], *, schema: str | None = None) -> str:
    """YAML that `load` reads back as the same data; `schema` is the URL or path for line 1.

    Texts of several lines become literal blocks; short lists and mappings stay on one line.
    """
    writer = YAML(typ="rt")
    writer.Representer = _Representer
    writer.width = 2**31 - 1  # a folded text is hard to edit
    writer.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    if schema:
        out.write(f"# yaml-language-server: $schema={schema}\n")
    writer.dump(CommentedMap((_text(str(k)), _node(v)) for k, v in data.items()), out)
    return out.getvalue()


def _node(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case Mapping():
            return _flow(
                CommentedMap((_text(str(k)), _node(v)) for k, v in value.items()), value.values()
            )
        case Sequence():
            return _flow(CommentedSeq(_node(v) for v in value), value)
        case _:
            return value


def _text(text: str) -> str:
    first, *rest = text.split("\n")
    if first[:1] in tuple("?-:") or not all(line.isprintable() for line in (first, *rest)):
        return DoubleQuotedScalarString(text)
    return LiteralScalarString(text) if rest and first.strip() and first[0] != " " else text


def _flow(node: Any, values: Iterable[Any]) -> Any:
    plain = not any(isinstance(v, Mapping | list | tuple) or "\n" in str(v) for v in values)
    if plain and len(str(node)) <= _ONE_LINE:
        node.fa.set_flow_style()
    return node
