"""The words by which prompts, in English or French, name their inputs, outputs and sections."""

import re
import unicodedata
from functools import lru_cache


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that finds any of several at a word's start."""
    return re.compile(r"\b(?:" + "|".join(patterns) + ")")


@lru_cache(maxsize=4096)
def _plain_sign(sign: str) -> str:
    if sign in "’‘":
        return "'"
    return unicodedata.normalize("NFKD", sign.lower())[:1]


def plain(text: str) -> str:
    """Lower case, no accents, straight apostrophes; as long as before, so that offsets hold."""
    return text.lower() if text.isascii() else "".join(map(_plain_sign, text))


INPUT_NAMES = word_set(
    """
    ticket text input question q message query email mail review sentence customer user request
    comment document post tweet passage utterance statement item content headline article complaint
    texte entree demande requete phrase avis commentaire courriel client enonce reclamation
    """
)
OUTPUT_NAMES = word_set(
    """
    label category answer a output intent team class sentiment classification result response
    department queue topic verdict target prediction
    etiquette categorie reponse sortie equipe classe r resultat service intention
    """
)
SECTION_NAMES = word_set(
    """
    task role format labels categories classes instruction instructions context goal rules rule note
    notes constraints constraint example examples demo demos reminder hint hints definitions persona
    style tone language important remember step steps guidelines background objective system options
    tache etiquettes regles consigne consignes contexte objectif exemple exemples remarque rappel
    contraintes langue ton reasoning explanation tie-breaks tiebreaks
    """
)
"""Names of a prompt's own sections, which are never labels of a list without a heading."""


def is_output(name: str) -> bool:
    """Whether a plain key names an output: "label", "final answer"."""
    return any(part in OUTPUT_NAMES for part in name.split())


def is_input(name: str) -> bool:
    """Whether a plain key names an input: "ticket", "customer message"."""
    return any(part in INPUT_NAMES for part in name.split()) and not is_output(name)


LABEL_NOUN = any_of(
    r"(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|teams?|options?|choices?|topics?)\b",
    r"(?:departments?|queues?|sentiments?|values?)\b",
    r"(?:etiquettes?|categories?|intentions?|equipes?|services?|choix|themes?)\b",
)
"""What a list of labels is called; on plain text."""
LIST_CUE = any_of(
    r"(?:one of|among|from these|choose (?:from|between)|following|below)\b",
    r"(?:l'une? d|parmi\b|suivante?s?\b|ci-dessous\b)",
)
"""What else announces a list of labels; on plain text."""
RULE_HEAD = any_of(
    r"(?:rules?|ties?|tie-breaks?|constraints?|guidelines?|notes?|steps?|instructions?)\b",
    r"(?:reminders?|hints?|examples?|edge cases?|how to)\b",
    r"(?:regles?|contraintes?|consignes?|remarques?|etapes?|rappels?|exemples?|cas limites?)\b",
)
"""What announces a list of rules instead; on plain text."""

_POLITE = (
    r"\s*(?:[#>*-]+\s*)?(?:(?:please|now|then|and|finally,?|always|only|merci de|maintenant"
    r"|ensuite) )*"
)
_REQUEST = re.compile(
    _POLITE
    + any_of(
        r"(?:answer|respond|reply|return|output|give|choose|pick|select|classify|label|say)\b",
        r"(?:write|think|remember|use|do not|don't|let's|let us|state|decide|assign|tell)\b",
        r"(?:categori[sz]e|read|which|what|reminder|important|note|format|end|finish)\b",
        r"(?:reponds|repondez|donnez?|choisis|choisissez|classez?|indiquez?|ecris|ecrivez)\b",
        r"(?:triage|sort|rappel|terminez?|quelle?|reflechis|reflechissez|n'ecris|utilisez?|attribuez?)\b",
    ).pattern
)
_ABOUT_ANSWER = any_of(
    r"(?:labels?|categor(?:y|ies)|class|classify|categori[sz]e|intents?|sentiment)\b",
    r"(?:which|what|one|the right|the correct) (?:team|queue|department|topic)\b",
    r"(?:answer|respond|reply) (?:only|as|with (?:only|just|one|the|a single)|in (?:json|one|a))\b",
    r"only (?:answer|respond|reply)\b",
    r"(?:step by step|json|format|tags?|one of|nothing else|explain your|explanation)\b",
    r"(?:etiquettes?|categories?|(?:la bonne|quelle|une seule) equipe|intention|etape par)\b",
    r"(?:reponds|repondez) (?:uniquement|seulement|par|en|avec)\b",
)
"""Words that an answer to the model is asked for with, and that customers hardly use."""
_TASK_HEAD = re.compile(
    r"\s*(?:#{1,6}\s|(?:you|tu|vous) (?:are|will|label|triage|work|sort|classify|get|es|etes)\b"
    r"|(?:(?:the|possible|allowed|valid|available|les) )*"
    r"(?:labels?|categories|classes|intents|teams|options|etiquettes?|equipes)\b[^:\n]{0,40}:)"
)
_LISTED = re.compile(r"\s*(?:[-*•+|]|\d{1,2}[.)])\s")


def is_request(paragraph: str) -> bool:
    """Whether a paragraph speaks to the model about its answer rather than being an input."""
    head = plain(paragraph[:400])
    return bool(_REQUEST.match(head)) and bool(_ABOUT_ANSWER.search(head))


def is_task(paragraph: str, *, listed: bool) -> bool:
    """Whether a paragraph states the task; `listed`: a list would belong to the one before."""
    if is_request(paragraph) or _TASK_HEAD.match(plain(paragraph[:400])):
        return True
    if paragraph.rstrip().endswith(":"):
        return True
    return listed and all(_LISTED.match(line) for line in paragraph.strip().split("\n"))
