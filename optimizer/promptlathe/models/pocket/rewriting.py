"""The answer to a rewriting request: a new text, from what the request shows alone."""

import re
from collections.abc import Iterator, Sequence

from promptlathe.models.pocket.drafts import (
    PLACEHOLDER,
    Draft,
    read_draft,
    split_sentences,
    strict_format,
    write_draft,
)
from promptlathe.models.pocket.formats import Format
from promptlathe.models.pocket.improving import improve, right_answers
from promptlathe.models.pocket.reflection import FENCE, read_reflection
from promptlathe.models.pocket.requests import Request, read_request
from promptlathe.models.pocket.reshaping import (
    merge_drafts,
    paraphrase,
    read_other,
    reformat,
    shorten,
)
from promptlathe.models.pocket.translating import is_french, translate
from promptlathe.models.pocket.vocabulary import plain
from promptlathe.records import Message

_AMOUNTS = ((8, 8), (5, 4), (3, 2), (1, 0), (0, 0))
"""How many words a label and how many rules one request adds at most; less when space is short."""
_DETAIL = (12, 6, 3, 0)
"""To how many words definitions are cut when a text is too long even so."""


def answer_request(messages: Sequence[Message]) -> str | None:
    """The whole answer to a rewriting request; None when the messages are anything else."""
    request = read_request(messages)
    if request is None and messages and messages[-1].role == "user":
        request = read_reflection(messages[-1].content)
    return None if request is None else rewrite(request)


def rewrite(request: Request) -> str:
    """The fullest new text that has no more words than allowed, else the leanest one."""
    text = request.current
    for candidate in _candidates(request):
        text = _keep(candidate, request)
        if request.most_words is None or len(text.split()) <= request.most_words:
            break
    if request.tag == FENCE:
        return f"{FENCE}\n{text.replace(FENCE, '')}\n{FENCE}"
    close = f"</{request.tag}>"
    return f"<{request.tag}>\n{text.replace(close, '')}\n{close}"


def _candidates(request: Request) -> Iterator[str]:
    """New texts, each with fewer words than the one before."""
    text = request.current
    if request.kind in ("rewrite", "contrast"):
        for words, rules in _AMOUNTS:
            yield (text := improve(request, new_words=words, new_rules=rules))
    else:
        yield (text := _reshaped(request))
    draft = read_draft(text, right_answers(request))
    shorten(draft, protected=request.protected)
    yield write_draft(draft)
    for most in _DETAIL:
        draft.definitions = {k: _first_words(v, most) for k, v in draft.definitions.items()}
        yield write_draft(draft)


def _first_words(text: str, most: int) -> str:
    return " ".join(text.split()[:most]).rstrip(",;")


def _reshaped(request: Request) -> str:
    labels = right_answers(request)
    draft = read_draft(request.current, labels)
    match request.kind:
        case "format":
            asked, sentence = _asked(request, draft, labels)
            reformat(draft, asked, sentence=sentence)
        case "merge":
            draft = merge_drafts(draft, read_other(request, labels))
        case "shorten":
            shorten(draft, protected=request.protected)
        case "translate":
            translate(draft, french=request.french)
        case _:
            paraphrase(draft)
    return write_draft(draft)


_KEY = re.compile(r"\b(?:keys?|fields?|cles?|champs?)\b[\s:\"'`“«]*([\w.-]*\w)", re.IGNORECASE)
_TAG = re.compile(r"<([A-Za-z][\w-]*)>")
_LINE = re.compile(r"[\"“`«]\s*([^\W\d_][\w ]{0,24}?)\s?:")


def _asked(request: Request, draft: Draft, labels: Sequence[str]) -> tuple[Format, str]:
    """The format that fits the reading, and the sentence that asks for it."""
    said = request.reading
    if re.search(r"\bjson\b", plain(said)):
        key = _KEY.search(said)
        asked = Format("json", (key[1].split(".")[0] if key else "label",))
    elif tag := _TAG.search(said):
        asked = Format("tag", (tag[1],))
    elif line := _LINE.search(said):
        asked = Format("line", (line[1],))
    else:
        asked = Format("bare")
    french = is_french("\n".join(s.text for s in draft.sentences))
    if asked.kind == "bare" and not (labels or draft.definitions):
        only = "Donne seulement la réponse, rien d'autre." if french else ""
        return asked, only or "Give the answer only, nothing else."
    return asked, strict_format(asked, french=french)


def _keep(text: str, request: Request) -> str:
    """With all placeholders and protected phrases of the present text, and no new placeholder."""
    own = list(dict.fromkeys(PLACEHOLDER.findall(request.current)))
    text = PLACEHOLDER.sub(lambda m: m[0] if m[0] in own else "", text)
    for phrase in [*own, *request.protected]:
        if phrase not in text:
            sentences = (s for line in request.current.split("\n") for s in split_sentences(line))
            whole = next((s for s in sentences if phrase in s), phrase)
            text = f"{text}\n{whole}" if text else whole
    return text
