"""Everything of a prompt but the final input, read once and kept by its content."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from promptlathe.models.pocket.classifier import Classifier, Demo
from promptlathe.models.pocket.formats import Format, Output, read_format, read_output
from promptlathe.models.pocket.labels import Named, read_labels
from promptlathe.models.pocket.layout import Solved, Turn, ends_in_output, read_demos
from promptlathe.models.pocket.rules import Evidence, read_definition, read_rules


@dataclass(frozen=True, slots=True)
class Context:
    """What the prompt says about the task. Without labels there is no classifier."""

    classifier: Classifier | None
    format: Format


# A context takes 200 to 350 kB: 8 labels with 6 demos, 77 labels with 40.
@lru_cache(maxsize=128)
def read_context(turns: tuple[Turn, ...], allowed: tuple[str, ...] = ()) -> Context:
    """Read the labels, definitions, rules, demos and the format of a prompt.

    allowed: the only labels there are, where a schema of the answer names them.
    """
    solved, prose = read_demos(turns)
    named = read_labels(prose)
    pairs = _outputs(solved, named, allowed)
    shown = [output for _, output in pairs]
    asked = read_format(named.rest, shown, completes=ends_in_output(turns))
    labels = list(dict.fromkeys(allowed or [*named.definitions, *(o.label for o in shown)]))
    if not labels:
        return Context(None, asked)
    demos = [Demo(demo.text, labels.index(output.label)) for demo, output in pairs]
    return Context(Classifier(labels, _evidence(named, labels), demos), asked)


def _outputs(
    solved: Sequence[Solved], named: Named, allowed: Sequence[str]
) -> list[tuple[Solved, Output]]:
    """Demos with what their outputs show, spelled as the prompt names the label.

    Where the prompt lists its labels, an output outside the list is a label of its own only if it
    comes twice.
    """
    names = list(allowed or named.definitions)
    known = {name.lower(): name for name in names}
    read = [(demo, read_output(demo.output, names)) for demo in solved]
    pairs = [
        (demo, output._replace(label=known.get(output.label.lower(), output.label)))
        for demo, output in read
        if output is not None and output.label
    ]
    if allowed:
        return [pair for pair in pairs if pair[1].label in allowed]
    often = Counter(output.label for _, output in pairs)
    needed = 2 if named.announced else 1
    return [p for p in pairs if p[1].label in named.definitions or often[p[1].label] >= needed]


def _evidence(named: Named, labels: Sequence[str]) -> list[Evidence]:
    found = list(read_rules(named.sentences, labels))
    for label, texts in named.definitions.items():
        for text in texts:
            found.extend(read_definition(label, text, labels))
    return [one for one in found if one.label in labels]
