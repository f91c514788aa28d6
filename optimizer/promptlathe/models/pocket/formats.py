"""The format of the answer that the prompt asks for, or that its demos teach."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from promptlathe.models.pocket.demos import Output
from promptlathe.models.pocket.vocabulary import any_of, is_output, plain


class Format(NamedTuple):
    """How to write the answer."""

    kind: Literal["chatty", "bare", "json", "tag", "line"]
    names: tuple[str, ...] = ()
    """The keys of the JSON object, the tag, or the beginning of the line."""
    reasons: bool = False
    """One line of evidence comes first."""
    french: bool = False
    """The language of what is not the label."""


_LABEL = r"(?:label|category|class|intent|team|word|name|answer)"
_ETIQUETTE = r"(?:l'etiquette|la categorie|l'equipe|l'intention|le label|le nom|la classe|un mot)"
_BARE = any_of(
    rf"{_LABEL}s?(?: name)? (?:only|alone|and nothing)\b",
    r"(?:only|just|solely|nothing (?:but|except))(?: (?:with|by|give|output|write|return))?"
    r" (?:the|its|one|a|that|this|your)(?: single| exact| best| correct| final| team| intent| one)*"
    rf" {_LABEL}\b",
    r"(?:single|one)[- ]word\b",
    rf"(?:uniquement|seulement|juste|rien que)(?: avec| par)? (?:{_ETIQUETTE}|une etiquette)\b",
    rf"{_ETIQUETTE} (?:seule?|uniquement|seulement)\b",
)
"""The label without anything around it."""
_NO_MORE = any_of(
    r"nothing (?:else|more)\b",
    r"no (?:(?:other|additional|extra|further) (?:text|words?)|explanations?|commentary)\b",
    r"(?:do not|don't|never) (?:explain|add|include|write)\b",
    r"without (?:any )?(?:explanations?|commentary|other|additional)\b",
    r"(?:answer|respond|reply) (?:only with|with (?:only|exactly|(?:one|a single|the) label))\b",
    r"(?:output|return) only\b",
    r"(?:rien d'autre|sans autre|sans explication|sans commentaire|n'ajoutez? rien)\b",
    r"aucune? (?:autre|explication)\b",
    r"(?:reponds|repondez) (?:uniquement|seulement)\b",
)
"""Says only that the answer has no more than the format."""
_OBJECT = re.compile(r"\{[^{}]*\}")
_OBJECT_KEY = re.compile(r"[\"'“”]([\w -]{1,40})[\"'“”]\s*:")
_JSON = re.compile(r"\bjson\b")
_JSON_KEY = any_of(r"(?:keys?|fields?|property|cles?|champs?)\s*:?\s*[\"'`“«]\s*(\w[\w -]{0,30})")
_NOT_JSON = any_of(r"(?:no|not|without|never|pas de|sans)\b[^.\n]{0,20}\bjson\b")
_TAG_ASKED = any_of(
    r"(?:in|inside|within|between|wrap\w*|enclos\w*|using|use|with|as|like|format|form|tags?"
    r"|dans|entre|avec|comme|forme|balises?)\b[^.\n]{0,60}?<([A-Za-z][\w-]*)>"
)
_TAG_SHOWN = re.compile(
    r"<([A-Za-z][\w-]*)>\s*(?:\.\.\.|…|\[?(?:the |your )?(?i:label)\]?|\{[^}]*\})\s*</\1>"
)
_TAG_WORD = any_of(r"(?:tags?|elements?|balises?)\b")
_ANSWERING = any_of(
    r"(?:answer|label|category|respond|reply|output|return|write|put|give|final|response|wrap)\b",
    r"(?:reponds|repondez|reponse|etiquette|ecris|ecrivez|donnez?|mets|mettez)\b",
)
_LINE = any_of(
    r"(?i:line|form|format|end|finish|start|begin|as|like|ligne|forme|terminez?|commencez?)\b"
    r"[^\n]{0,60}?[\"'`“«*]\s*([A-Za-zÀ-ÿ][\w À-ÿ]{0,24}?)\s?:\s*[^\n]{0,30}?[\"'`”»*]"
)
_REASONS = any_of(
    r"step[- ]by[- ]step",
    r"think (?:(?:it |this )?(?:through|carefully|aloud|out loud)|first|before)\b",
    r"reason(?:ing)? (?:first|before|about|through)\b",
    r"(?:explain|justify|give) (?:your|the|a|briefly) ?(?:(?:short|brief|one-line) )?"
    r"(?:reason\w*|choice|answer|thinking|evidence|why)\b",
    r"show your\b",
    r"(?:quote|name|list|state|cite|note) the (?:\w+ )?(?:evidence|words?|clues?|reasons?)\b",
    r"evidence first\b",
    r"(?:etape par etape|raisonne\w*|justifie\w*|reflechi\w* (?:d'abord|avant))\b",
)
_NO_REASONS = any_of(
    r"(?:no|not|don't|never|without|sans|pas|aucune?)\b[^.\n]{0,20}"
    r"\b(?:reason|expla|justif|step|think|show)"
)
_FRENCH = any_of(
    r"(?:in french|en francais|reponds|repondez|classe le|classez|indiquez?|choisi(?:s|r|ssez))\b"
)
_ENGLISH = any_of(r"(?:in english|en anglais)\b")


def read_format(prose: str, taught: Sequence[Output], *, input_tag: str, completes: bool) -> Format:
    """The asked format; else what the demos teach; else chatty, unless the prompt `completes`.

    A prompt completes to a bare label when it ends in an empty `Label:`. Of two conflicting
    requests the later one holds.
    """
    folded = plain(prose)
    reasons = bool(_REASONS.search(folded)) and not _NO_REASONS.search(folded)
    french = bool(_FRENCH.search(folded)) and not _ENGLISH.search(folded)
    asked = max(_structured(prose, folded, input_tag), key=lambda f: f[0], default=None)
    bare = [m.start() for m in _BARE.finditer(folded)]
    if asked and not any(_in_later_sentence(folded, asked[0], at) for at in bare):
        chosen = asked[1]
    elif bare or _NO_MORE.search(folded):
        chosen = Format("bare")
    else:
        chosen = _learned(taught) or Format("bare" if completes else "chatty")
    return chosen._replace(reasons=reasons, french=french)


def _in_later_sentence(folded: str, first: int, second: int) -> bool:
    return second > first and bool(re.search(r"[.!?]\s|\n", folded[first:second]))


def _structured(prose: str, folded: str, input_tag: str) -> Iterator[tuple[int, Format]]:
    """(place, format) of all requests for JSON, a tag or a line."""
    objects = [(m.start(), _OBJECT_KEY.findall(m[0])) for m in _OBJECT.finditer(prose)]
    objects = [(at, keys) for at, keys in objects if keys]
    if not objects and not _NOT_JSON.search(folded):
        keys = _JSON_KEY.findall(prose) or ["label"]
        objects = [(m.start(), keys) for m in _JSON.finditer(folded)]
    for at, keys in objects:
        yield at, Format("json", tuple(keys))
    for match in [*_TAG_ASKED.finditer(prose), *_TAG_SHOWN.finditer(prose)]:
        sentence = folded[max(0, match.start() - 80) : match.end()]
        closed = f"</{match[1]}>" in prose or _TAG_WORD.search(folded[match.start() :][:120])
        if match[1] != input_tag and closed and _ANSWERING.search(sentence):
            yield match.start(), Format("tag", (match[1],))
    for match in _LINE.finditer(prose):
        if is_output(plain(match[1])):
            yield match.start(), Format("line", (match[1].strip(),))


def _learned(taught: Sequence[Output]) -> Format | None:
    shown = [o for o in taught if o.kind != "prose"]
    counts = Counter((o.kind, o.names) for o in shown)
    best = max(shown, key=lambda o: counts[o.kind, o.names], default=None)
    return Format(best.kind, best.names) if best and best.kind != "prose" else None
