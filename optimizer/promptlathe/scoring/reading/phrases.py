"""The words of English and French by which a text turns down, weighs or concedes what it names.

For plain texts: see `Written`.
"""

from __future__ import annotations

import re


def any_of(phrases: str) -> str:
    """A regular expression for any of the phrases, parted by `|`; none ends within a word."""
    several = "|".join(r"\s".join(one.split()) for one in phrases.split("|"))
    return rf"(?:{several})(?:(?<=')|(?!\w))"


EXEMPT = any_of(
    """not (?:only|just|merely|simply|solely|to mention|least)
    | no (?:doubts?|question|idea|clue|problem|matter|wonder|worries)
    | without (?:(?:a|any) )?(?:doubt|hesitation)
    | (?:nothing|none) (?:but|other than|less than)
    | (?:pas|non) (?:seulement|uniquement|juste|simplement)
    | (?:sans|nul|sans aucun|aucun|pas de) doute | sans hesit\\w+ | aucune hesitation
    | rien (?:d'autre )?que | aucune idee | pas mal"""
)
"""They begin like a negation, and are none."""
SAYING = any_of(
    """on the other hand | in other words | other than | each other | among others | in order to
    | into account | on account of | in general | of course | in question | in return
    | at first sight | d'autre part | d'un autre cote | en d'autres termes | entre autres
    | en (?:general|question|compte|cours|retour) | bien sur"""
)
"""A word of theirs names nothing."""
DENY = any_of(
    """not so much | no longer | nowhere near | not | never | neither | nor | no | none of | nothing
    | cannot | hardly | scarcely | without | far from | anything but | fail(?:s|ed)? to be
    | lack(?:s|ing) | absence of | free of | devoid of | too \\w+ to be
    | (?:wrong|incorrect|mistaken|mistake|false) to | opposite of | ain'?t
    | (?:is|are|was|were|do|does|did|ca|wo|would|could|should|has|have|had|must|need)n'?t | anti
    | ne \\w+ plus | n'\\w+ plus | pas | jamais | nullement | aucunement | guere | aucune? | rien
    | ni | non | sans | ne (?:saurai|pourrai)(?:t|ent) | loin de | loin d' | tout sauf | absence de
    | depourvue? de | exempte? de | trop \\w+ pour etre | (?:faux|tort|erreur) de
    | (?:faux|tort|erreur) d' | contraire de"""
)
"""What comes next is not it."""
PASS = any_of(
    """(?:rather|other|better|more (?:likely|fitting|suitable|appropriate)) than | instead of
    | in place of | as opposed to | unlike | contrary to | except | except for
    | exclud(?:e|es|ed|ing) | rul(?:e|es|ed|ing) out | reject(?:s|ed|ing)?
    | dismiss(?:es|ed|ing)? | discard(?:s|ed|ing)? | eliminat(?:e|es|ed|ing)
    | (?:plutot|mieux|plus (?:probable|juste|adapte|approprie)) (?:que|qu') | au lieu (?:de|d'|du)
    | a la place (?:de|d'|du) | contrairement (?:a|au) | par opposition (?:a|au) | sauf | excepte
    | hormis | exclu(?:re|s|t|ant)? | ecart(?:e|er|ons|ant) | elimin(?:e|er|ons|ant)
    | rejet(?:te|er|ons|ant)"""
)
"""Another is preferred to what comes next."""
CONCEDE = any_of(
    """although | though | even (?:though|if) | while | whereas | despite | in spite of | bien que
    | meme si | malgre | quoique | alors (?:que|qu') | tandis que | between | entre | either
    | whether | torn | hesit\\w+ | (?<=, )(?:with|avec)"""
)
"""What comes next is granted, or weighed."""
HEDGE = any_of(
    """might | may | could | maybe | perhaps | possibly | at first | initially | first glance
    | pourrait | peut etre | possiblement | d'abord | premiere vue | au debut"""
)
"""What comes next is possible."""
TURN = any_of(
    """but | however | yet | so | therefore | thus | hence | because | since | then | mais | donc
    | car | parce | puisque | cependant | toutefois | pourtant | (?<!que )c'est"""
)
"""A new clause begins."""

LIGHT = frozenset(
    re.findall(
        r"\w+",
        """a an the be being been is are was were to of in as at all any that this it its i we you
        my very really so too quite at particularly especially entirely fully clearly strictly
        truly exactly necessarily actually much overall think believe say call consider feel find
        mean mention see seem seems appear appears look looks sound sounds like convey conveys
        express expresses contain contains show shows belong belongs go qualify qualifies count
        counts label labelled labeled classify classified class category text message review
        comment answer sentence tweet ticket post statement sentiment tone anything something
        content case would should could can opinion view
        de d du des le la l les un une en etre est soit sont sera serait que qu ce cet cette c il
        elle on je j s se n ne y dire pense crois trouve semble parait avis texte commentaire
        ton contenu phrase vraiment tres trop tout au fait particulierement forcement clairement
        dans pour comme qualifier qualifie appeler classer classe categorie etiquette releve
        relever mon ma sens moi selon puisse peut dit quoi""",
    )
)
"""Words between a negation and what it denies that carry little."""
MORE = frozenset(("more", "plus", "plutot", "rather", "davantage"))
"""Before one thing, they make a `than` or `que` after it pass over the next."""

_VERBS = any_of(
    """is | are | was | were | be | would | seems? | can | could | must | has | have | to | both
    | also | clearly | est | sont | serait | semble | doit | peut | etre | donc | here | label
    | category | option | class | answer | words?"""
)
_WRONG = any_of(
    """wrong | incorrect | excluded | rejected | ruled out | false | out of the question
    | inappropriate
    | (?:not|isn't|aren't|wasn't) (?:right|correct|applicable|appropriate|suitable)
    | (?:not|isn't|aren't|wasn't) the (?:right|correct|answer|label|case)
    | (?:not|isn't|aren't|wasn't) (?:it|a good|present|justified)
    | (?:does|do|would|did)(?: not|n't) (?:apply|fit|hold|match|work|suit)
    | ne (?:convient|s'applique|correspond|colle|va) pas | n'est pas (?:bon|bonne|correct|juste)\\w*
    | n'est pas (?:adapte|approprie)\\w* | n'est pas (?:le|la) (?:bon|bonne)
    | faux | fausses? | exclue?s? | ecartee?s? | a (?:exclure|ecarter) | erronee? | incorrecte?
    | inapproprie"""
)
AFTER = rf"[*\"'`)\]]*\s*(?:{_VERBS}\s+){{0,4}}{_WRONG}"
"""What stands before this is not it."""
