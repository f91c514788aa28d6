"""Text into features: folded words, their light stems, word pairs and letter n-grams.

English and French share the rules: accents are folded and only the commonest endings are cut,
since the letter n-grams carry what is left of two related forms.
"""

import re
import unicodedata
from functools import lru_cache

from promptlathe.models.pocket.names import word_set

WORD_WEIGHT = 1.0
PAIR_WEIGHT = 0.5
LETTERS_WEIGHT = 0.25
FUNCTION_WORD_WEIGHT = 0.2
"""Not 0: a label such as `how_to` consists of them. They make no pairs and no n-grams."""
LETTERS = (3, 4, 5)
"""Lengths of the letter n-grams, counted with one mark on each side of the word."""

_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ENDINGS = (
    *("issements", "issement", "ations", "ation", "ements", "ement", "ments", "ment"),
    *("ingly", "edly", "ions", "ion", "ings", "ing", "ies", "ied", "ees", "ers"),
    *("ed", "ee", "er", "es", "ez", "e", "s"),
)
_FUNCTION_WORDS = word_set(
    """
    a an the this that these those i me my mine we us our you your he him his she her it its they
    them their who whom which what when where why how is am are was were be been being do does did
    done have has had having will would shall should can could may might must and or but if then
    than so because as of at by for with about into onto to from in out on off over under up down
    there here just very too also not no nor only own same such again once any some all both each
    few more most other s t m d re ve ll don didn doesn isn wasn aren won hi hello please thanks
    thank get got
    le la les un une des du de au aux ce cet cette ces je j moi mon ma mes tu te toi ton ta tes
    il elle on nous notre nos vous votre vos ils elles leur leurs se son sa ses qui que qu quoi dont
    ou quand comment pourquoi est suis es sommes etes sont ete etre etait avez avons ai as ont eu
    avoir fait faire et mais donc car ni si ne n pas plus y en l c dans par pour sur sous avec
    sans entre vers chez tres bien aussi meme tout tous toute toutes merci bonjour svp
    """
)


def fold(text: str) -> str:
    """Lower case without accents: "Où est ma Carte" and "ou est ma carte" are equal."""
    text = text.lower()
    if text.isascii():
        return text
    text = text.replace("œ", "oe").replace("æ", "ae")
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def split_name(label: str) -> str:
    """A label as words: `cardNotWorking`, `card_not_working` -> "card not working"."""
    return _CAMEL.sub(" ", label).replace("_", " ").replace("-", " ")


def words(text: str) -> list[str]:
    """The folded words in order."""
    return _WORD.findall(fold(text))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A folded word without its commonest ending, never shorter than three letters."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


@lru_cache(maxsize=65_536)
def _letters(word: str) -> tuple[str, ...]:
    marked = f"^{word}$"
    return tuple(marked[i : i + n] for n in LETTERS for i in range(len(marked) - n + 1))


def features(text: str, *, function_words: bool = True) -> dict[str, float]:
    """Feature -> weighted count of a text.

    Stems are written `=stem`, pairs of neighbouring stems `stem stem`, letter n-grams as they are;
    the n-grams of one word share LETTERS_WEIGHT, so that long words do not drown short ones.
    """
    found: dict[str, float] = {}
    before = ""
    for word in words(text):
        if word in _FUNCTION_WORDS:
            if function_words:
                found["=" + word] = found.get("=" + word, 0.0) + FUNCTION_WORD_WEIGHT
            continue
        root = stem(word)
        found["=" + root] = found.get("=" + root, 0.0) + WORD_WEIGHT
        if before:
            pair = f"{before} {root}"
            found[pair] = found.get(pair, 0.0) + PAIR_WEIGHT
        before = root
        for gram in _letters(word):
            found[gram] = found.get(gram, 0.0) + LETTERS_WEIGHT
    return found
