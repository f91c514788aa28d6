"""Syllables of English and French words, by their letters.

For readability, where the mean over a text counts: of a single word it may be one off.
"""

from __future__ import annotations

import re

_EN_GROUPS = re.compile(r"[aeiouy]+")
_EN_APART = re.compile(
    r"i[ao](?!u)|(?<=[bdlnprv])iou|eo(?!u)|[iu]um|(?<!g)ua(?!r)|ue[ln]t|ying|[aeiou]ing|ier$|iet|"
    r"eing|ism$|(?<=cr)ea(?=t)|(?<=[aeiou]r)ea$|(?<=[aeiou]d)ea$|(?<=sc)ien|(?<![ct])ient"
)
"""Where two vowels side by side, or `sm`, are two syllables."""
_EN_TOGETHER = re.compile(r"[ctsg]i[ao]|gue$|que$|[a-z]geo|people|iage")
_EN_MUTE = re.compile(
    r"[^laeiouy]e$|[aeiouy]le$|[^aeiouy][^tdaeiouy]ed$|[aeiouy][^tdaeiouy]ed$|"
    r"(?<![cs])h?[tpkfbvmnrld]es$|[^aeiouyl]ely$"
)

_FR_VOWELS = "aeiouyàâäéèêëîïôöùûüÿœæ"
_FR_GROUPS = re.compile(
    # What is said in one breath, the longest first; any other vowel is a syllable of its own.
    r"eaux?|eau|œu|oeu|aoû|oui|ouï|oue(?=[tns]|$)|oin|oy|ay(?=$|[^aeiouyéèêàâ])|ieu|iau|"
    r"ion|ien|iè|ié|ie(?=[rztnlu])|ia(?!$)|io|iu|oie|oi|ou|où|oû|au|aî|ai|eî|ei|eu|eû|ui|uî|"
    r"ue(?=[iu])|ie$|ue$|ée$|"
    rf"[{_FR_VOWELS}]"
)
_FR_MUTE = re.compile(r"(?<=[^aeiouyàâäéèêëîïôöùûüÿœæ])(?:e|es)$|(?<=[gq]u)es?$")
_FR_SILENT = re.compile(r"(?<=g)u(?=[eiéèêy])|(?<=q)u|(?<=g)e(?=[aouâôû])|^y(?=[aeéo])")
"""Letters that are no vowel where they stand: guide, quatre, mangeait, yeux."""
_FR_BREAK = re.compile(r"(?<=[bcdfgptv][lr])i(?=[aeoéè])")
"""After two consonants `i` is a syllable of its own: ouvrier, client."""


def syllables(word: str, lang: str) -> int:
    """At least one. lang: `en` or `fr`."""
    word = word.casefold()
    return max(1, _french(word) if lang == "fr" else _english(word))


def _english(word: str) -> int:
    count = len(_EN_GROUPS.findall(word))
    count += len(_EN_APART.findall(word)) - len(_EN_TOGETHER.findall(word))
    if _EN_MUTE.search(word):
        count -= 1
    return count


def _french(word: str) -> int:
    word = _FR_SILENT.sub("", word.replace("pays", "pa-is"))
    word = _FR_BREAK.sub("i-", word)
    found = _FR_GROUPS.findall(_FR_MUTE.sub("", word))
    return len(found)
