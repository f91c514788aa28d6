"""Everything of a prompt but the final input, read once and kept by its content."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from promptlathe.models.pocket.classifier import Classifier, Demo
from promptlathe.models.pocket.demos import Output, Solved, read_demos, read_output
from promptlathe.models.pocket.formats import Format, read_format
from promptlathe.models.pocket.labels import Named, read_labels
from promptlathe.models.pocket.layout import Shape, Turn, find_keys
from promptlathe.models.pocket.rules import Evidence, read_definition, read_rules
from promptlathe.models.pocket.vocabulary import is_output, plain


@dataclass(frozen=True, slots=True)
class Context:
    """What the prompt says about the task. Without labels there is no classifier."""

    classifier: Classifier | None
    format: Format


# A context takes 200 to 350 kB: 8 labels with 6 demos, 77 labels with 40.
@lru_cache(maxsize=128)
def read_context(turns: tuple[Turn, ...], shape: Shape) -> Context:
    """Read the labels, definitions, rules, demos and the format of a prompt."""
    solved, prose = read_demos(turns, shape)
    named = read_labels(prose)
    pairs = _outputs(solved, named)
    labels = list(named.definitions)
    labels += [o.label for _, o in pairs if o.label not in named.definitions]
    labels = list(dict.fromkeys(labels))
    asked = read_format(
        named.rest,
        [output for _, output in pairs],
        input_tag=shape.source,
        completes=_completes(turns),
    )
    if len(labels) == 0:
        return Context(None, asked)
    demos = [Demo(demo.text, labels.index(output.label)) for demo, output in pairs]
    return Context(Classifier(labels, _evidence(named, labels), demos), asked)


def _outputs(solved: Sequence[Solved], named: Named) -> list[tuple[Solved, Output]]:
    """Demos with what their outputs show, spelled as the prompt names the label.

    Where the prompt lists its labels, an output outside the list is a label of its own only if it
    comes twice.
    """
    known = {plain(name): name for name in named.definitions}
    read = [(demo, read_output(demo.output, list(named.definitions))) for demo in solved]
    pairs = [
        (demo, output._replace(label=known.get(plain(output.label), output.label)))
        for demo, output in read
        if output is not None and output.label
    ]
    often = Counter(output.label for _, output in pairs)
    needed = 2 if named.announced else 1
    return [p for p in pairs if p[1].label in named.definitions or often[p[1].label] >= needed]


def _evidence(named: Named, labels: Sequence[str]) -> list[Evidence]:
    found = list(read_rules(named.sentences, labels))
    for label, texts in named.definitions.items():
        for text in texts:
            found.extend(read_definition(label, text, labels))
    return found


def _completes(turns: Sequence[Turn]) -> bool:
    """Whether the prompt ends with an empty `Label:`, which asks to be filled in."""
    if not turns:
        return False
    keys = find_keys(turns[-1][1])
    return bool(keys) and keys[-1].empty and is_output(keys[-1].name)
