"""`answer(messages, parameters)`: the pocket model in-process."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from promptlathe.models.pocket import formats
from promptlathe.models.pocket.classifier import Classifier
from promptlathe.models.pocket.labels import Evidence, read_labels, read_sentences
from promptlathe.models.pocket.layout import Demo, read_prompt
from promptlathe.models.pocket.tokens import count_input, cut
from promptlathe.records import Answer, Json, Message

NO_LABELS = "I could not find any labels in this request to choose from, so I cannot sort this."
"""The answer to a prompt in which no labels were found."""


def answer(messages: Sequence[Message], parameters: Mapping[str, Json] | None = None) -> Answer:
    """Answer a prompt. Equal messages and parameters give equal answers, in any process.

    `max_tokens` or `max_completion_tokens` (in the pieces of `tokens`) cut the answer, and a
    `response_format` with a JSON schema is kept to; other parameters have no effect.
    """
    parameters = parameters or {}
    limit = parameters.get("max_completion_tokens", parameters.get("max_tokens"))
    reply = _reply(messages, formats.schema_of(parameters.get("response_format")))
    text, pieces, truncated = cut(reply, 1 << 30 if limit is None else int(limit))
    return Answer(
        text,
        input_tokens=count_input(messages),
        output_tokens=pieces,
        latency=0.0,
        finish_reason="length" if truncated else "stop",
    )


def _reply(messages: Sequence[Message], schema: Mapping[str, Json] | None) -> str:
    """The whole text of the answer."""
    prompt = read_prompt(messages)
    allowed = formats.labels_of(schema or {})
    classifier, template = _learn(prompt.prose, prompt.demos, prompt.completes, allowed)
    ranking = classifier.rank(prompt.text) if classifier else None
    if schema is not None:
        return formats.write_by_schema(schema, ranking.first if ranking else NO_LABELS)
    return formats.write(template, ranking) if ranking else NO_LABELS


@lru_cache(maxsize=128)
def _learn(
    prose: str, demos: tuple[Demo, ...], completes: bool, allowed: tuple[str, ...]
) -> tuple[Classifier | None, formats.Template]:
    """Read all of a prompt but its final input, once; without labels there is no classifier.

    allowed: the only labels there are, where a schema of the answer names them.
    """
    named = read_labels(prose)
    spelled = {name.lower(): name for name in (*named.labels, *allowed)}
    taught: list[formats.Template] = []
    solved: list[Evidence] = []
    for text, output in demos:
        if shown := formats.read_output(output):
            label, template = shown
            taught.append(template)
            solved.append(Evidence(spelled.get(label.lower(), label), text))
    template = formats.read_format(named.rest, taught, completes=completes)
    labels = list(dict.fromkeys(allowed or [*named.labels, *(one.label for one in solved)]))
    if not labels:
        return None, template
    said = [*named.definitions, *read_sentences(named.rest, labels)]
    known = ([one for one in some if one.label in labels] for some in (said, solved))
    return Classifier(labels, *known), template
