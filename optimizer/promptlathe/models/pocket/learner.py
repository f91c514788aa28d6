"""`answer(messages)`: the pocket model in-process."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from promptlathe.models.pocket.context import read_context
from promptlathe.models.pocket.layout import find_layout
from promptlathe.models.pocket.rewriting import answer_request
from promptlathe.models.pocket.tokens import count_input, cut
from promptlathe.models.pocket.writing import no_labels, write_answer
from promptlathe.records import Answer, Message, Scalar

_NONE: Mapping[str, Scalar] = MappingProxyType({})


def answer(messages: Sequence[Message], parameters: Mapping[str, Scalar] = _NONE) -> Answer:
    """Answer a prompt. Equal messages and limits give equal answers, in any process.

    Of the parameters only `max_tokens` or `max_completion_tokens` (in the pieces of `tokens`)
    have an effect; temperature and the like have none.
    """
    limit = parameters.get("max_completion_tokens", parameters.get("max_tokens"))
    text, pieces, truncated = cut(_reply(messages), _whole(limit))
    return Answer(
        text,
        input_tokens=count_input(messages),
        output_tokens=pieces,
        latency=0.0,
        finish_reason="length" if truncated else "stop",
    )


def _reply(messages: Sequence[Message]) -> str:
    """The whole text of the answer. The one place that knows the kinds of requests."""
    if (rewritten := answer_request(messages)) is not None:
        return rewritten
    layout = find_layout(messages)
    context = read_context(layout.context, layout.shape)
    if context.classifier is None:
        return no_labels(context.format)
    asked = context.format
    explain = asked.reasons or (asked.kind == "json" and len(asked.names) > 1)
    return write_answer(context.classifier.rank(layout.text, explain=explain), asked)


def _whole(limit: Scalar | None) -> int:
    return 1 << 30 if limit is None else int(limit)
