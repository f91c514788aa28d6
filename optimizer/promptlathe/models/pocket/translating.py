"""Instructions between English and French by a table of sentences, as far as it goes.

Labels, placeholders and whatever the table does not know stay as they are.
"""

import re

from promptlathe.models.pocket.drafts import Draft, Sentence, own_format, strict_format
from promptlathe.models.pocket.vocabulary import any_of, plain, word_set
from promptlathe.models.pocket.wording import words

_NOUNS = (
    *(("message", "message"), ("ticket", "ticket"), ("text", "texte"), ("question", "question")),
    *(("review", "avis"), ("e-mail", "courriel"), ("sentence", "phrase"), ("request", "demande")),
    *(("team", "équipe"), ("label", "étiquette"), ("category", "catégorie"), ("class", "classe")),
    *(("teams", "équipes"), ("labels", "étiquettes"), ("categories", "catégories")),
    *(("intent", "intention"), ("intents", "intentions"), ("classes", "classes")),
    *(("support ticket", "ticket d'assistance"), ("customer message", "message du client")),
)
_SENTENCES = (
    (
        "Read the {} and say which {} it is.",
        "Lis le texte suivant ({}) et dis de quelle {} il s'agit.",
    ),
    (
        "Read the {} and decide which {} should handle it.",
        "Lis le {} et décide quelle {} doit s'en occuper.",
    ),
    ("Say which {} it is.", "Dis de quelle {} il s'agit."),
    ("Classify the {}.", "Classe le {}."),
    ("Sort the {} by {}.", "Trie le {} par {}."),
    ("Choose the right {}.", "Choisis la bonne {}."),
    ("You are a helpful assistant.", "Tu es un assistant serviable."),
    ("Think step by step.", "Raisonne étape par étape."),
    ("Be brief.", "Sois bref."),
    ("Be careful.", "Sois attentif."),
)
_RULES = (
    ("If it is about {}, choose {}, not {}.", "S'il s'agit de {}, choisis {}, pas {}."),
    ("If it is about {}, choose {}.", "S'il s'agit de {}, choisis {}."),
)
"""What stands in a rule's gaps are the words of rows and labels: it stays."""
_FRENCH_SIGNS = word_set("le la les une des du et est dis lis tu vous il pour avec dans reponds")
_ENGLISH_SIGNS = word_set("the a and is of to you it for with in which answer read say an")
_NAMES_LANGUAGE = any_of(r"(?:in english|in french|en anglais|en francais)\b")


def is_french(text: str) -> bool:
    """Whether a text has more of the commonest French words than of the English ones."""
    found = words(text)
    return sum(w in _FRENCH_SIGNS for w in found) > sum(w in _ENGLISH_SIGNS for w in found)


def translate(draft: Draft, *, french: bool) -> None:
    """Put what the table knows into the language, and say in which one the model answers."""
    said = "\n".join(s.text for s in draft.sentences)
    if not said.strip() or is_french(said) == french:
        return
    asked = own_format(said)
    draft.heading = _noun(draft.heading.rstrip(" :"), french=french) + (" :" if french else ":")
    draft.sentences = [_translated(s, french=french) for s in draft.sentences]
    if not _NAMES_LANGUAGE.search(plain(said)):
        draft.add("other", "Réponds en anglais." if french else "Answer in French.")
    now = own_format("\n".join(s.text for s in draft.sentences))
    if now[:3] != asked[:3] and asked.kind != "chatty":
        draft.add("format", strict_format(asked, french=french))


def _translated(sentence: Sentence, *, french: bool) -> Sentence:
    bullet = re.match(r"\s*(?:[-*•]\s+)?", sentence.text)
    start = bullet[0] if bullet else ""
    text = sentence.text[len(start) :].strip()
    asked = own_format(text)
    if sentence.kind == "format" and asked.kind != "chatty" and not asked.reasons:
        strict = strict_format(asked, french=french)
        if own_format(strict)[:3] == asked[:3]:
            return sentence._replace(text=start + strict)
    for table, keeps in ((_SENTENCES, False), (_RULES, True)):
        for pair in table:
            source, target = pair if french else pair[::-1]
            match = re.fullmatch(re.escape(source).replace(r"\{\}", "(.+?)"), text, re.IGNORECASE)
            if match:
                gaps = [g if keeps else _noun(g, french=french) for g in match.groups()]
                return sentence._replace(text=start + target.format(*gaps))
    return sentence


def _noun(text: str, *, french: bool) -> str:
    """One of the table's nouns, with its capital; any other text as it is."""
    table = {(a if french else b): (b if french else a) for a, b in _NOUNS}
    found = table.get(text.lower())
    if found is None:
        return text
    return found.capitalize() if text[:1].isupper() else found
