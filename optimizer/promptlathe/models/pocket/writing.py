"""A ranking of labels -> the text of the answer, in the asked format."""

import json

from promptlathe.models.pocket.classifier import Ranking
from promptlathe.models.pocket.demos import label_key
from promptlathe.models.pocket.formats import Format

_CLEAR, _OPEN = 0.5, 0.85
"""Up to which closeness of the second label a chatty answer is sure, and up to which it leans."""
_REASON_WORDS = ("reason", "explanation", "evidence", "rationale", "thought", "why", "raison")
_NUMBER_WORDS = ("confidence", "score", "probability", "certainty", "confiance")


def write_answer(ranking: Ranking, asked: Format) -> str:
    """The whole answer; the label stands in it exactly as the prompt spells it."""
    label = ranking.labels[0]
    match asked.kind:
        case "chatty":
            text = _chat(ranking, french=asked.french)
        case "bare":
            text = label
        case "json":
            text = _object(ranking, asked)
        case "tag":
            text = f"<{asked.names[0]}>{label}</{asked.names[0]}>"
        case "line":
            text = f"{asked.names[0]}: {label}"
    return f"{evidence_line(ranking, french=asked.french)}\n{text}" if asked.reasons else text


def evidence_line(ranking: Ranking, *, french: bool) -> str:
    """One sentence that names the words which decided, without naming a label."""
    quoted = ", ".join(f'"{word}"' for word in ranking.words)
    if french:
        return f"Mots qui comptent : {quoted}." if quoted else "Aucun mot ne tranche à lui seul."
    return f"Telling words: {quoted}." if quoted else "No single word decides."


def no_labels(asked: Format) -> str:
    """The answer to a prompt in which no labels were found."""
    if asked.french:
        return (
            "Je n'ai trouvé dans cette demande aucune liste d'étiquettes parmi lesquelles choisir."
        )
    return "I could not find any labels in this request to choose from, so I cannot sort this."


def _chat(ranking: Ranking, *, french: bool) -> str:
    """Like a chat model that was not told a format: sure, leaning, or in doubt."""
    first, *others = ranking.labels
    closeness = ranking.closeness
    if not others or closeness < _CLEAR:
        return f"Cela relève de {first}." if french else f"This looks like a {first} matter."
    if closeness < _OPEN:
        if french:
            return f"Cela semble relever de {first}, même si {others[0]} est possible aussi."
        return f"This looks like a {first} matter, though it could also touch on {others[0]}."
    if french:
        return f"On peut hésiter avec {others[0]}, mais je dirais plutôt {first}."
    return f"This could be read as {others[0]}, but on balance I would say {first}."


def _object(ranking: Ranking, asked: Format) -> str:
    """A JSON object with the asked keys, in their order."""
    own = label_key(asked.names)
    filled: dict[str, str | float | None] = {}
    for key in asked.names:
        folded = key.lower()
        if key == own:
            filled[key] = ranking.labels[0]
        elif any(w in folded for w in _REASON_WORDS):
            filled[key] = evidence_line(ranking, french=asked.french)
        elif any(w in folded for w in _NUMBER_WORDS):
            filled[key] = ranking.confidence
        else:
            filled[key] = None
    return json.dumps(filled, ensure_ascii=False)
