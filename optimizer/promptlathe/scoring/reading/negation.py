"""Which of the things that a text names it turns down, in English and French.

`not positive`, `n'est pas positif`, `negative rather than positive`, `neither … nor …`, `positive is
wrong`. A negation reaches what is named after it over words that carry little (`not really a
positive …`) and one that does, never over the end of a clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Standing = Literal["named", "hedged", "denied", "passed over", "aside"]
"""hedged: it may be this one. denied: it is not this one (`not X`). passed over: another is preferred
(`rather than X`). aside: it stands in a question, or is conceded or weighed (`although X …`,
`between X and …`)."""
Span = tuple[int, int]

REACH = 1
"""Words of some weight that may stand between a negation and what it denies."""
_FAR = 400
"""Characters before a mention that are looked at."""

_EXEMPT = r"""
    not \s (?: only | just | merely | simply | solely | to \s mention | least ) (?!\w)
  | no \s (?: doubts? | question | idea | clue | problem | matter | wonder | worries ) (?!\w)
  | without \s (?: (?: a | any ) \s )? (?: doubt | hesitation ) (?!\w)
  | (?: nothing | none ) \s (?: but | other \s than | less \s than ) (?!\w)
  | (?: pas | non ) \s (?: seulement | uniquement | juste | simplement ) (?!\w)
  | (?: sans | nul | sans \s aucun | aucun | pas \s de ) \s doute (?!\w)
  | (?: sans | aucune ) \s hesit\w+ | rien \s (?: d'autre \s )? que (?!\w)
  | aucune \s idee (?!\w) | pas \s mal (?!\w)
"""
_DENY = r"""
    (?: not \s so \s much | no \s longer | nowhere \s near | not | never | neither | nor | no
  | none \s of | nothing | cannot | hardly | scarcely | without | far \s from | anything \s but
  | fail(?:s|ed)? \s to \s be | lack(?:s|ing) | absence \s (?: of | de ) | (?: free | devoid ) \s of
  | too \s \w+ \s to \s be | (?: wrong | incorrect | mistaken | mistake | false ) \s to
  | opposite \s of | ain'?t | (?: is | are | was | were | do | does | did | ca | wo | would | could
  | should | has | have | had | must | need ) n'?t
  | (?: ne \s | n' ) \w+ \s plus | pas | jamais | nullement | aucunement | guere | aucune? | rien | ni
  | non | sans | ne \s (?: saurai(?:t|ent) | pourrai(?:t|ent) ) | loin \s (?: de | d' ) | tout \s sauf | depourvue? \s de | exempte? \s de
  | trop \s \w+ \s pour \s etre | (?: faux | tort | erreur ) \s (?: de | d' ) | contraire \s de
  | anti ) (?: (?<=') | (?!\w) )
"""
_PASS = r"""
    (?: (?: rather | other | better | more \s (?: likely | fitting | suitable | appropriate ) ) \s than | instead \s of | in \s place \s of | as \s opposed \s to | unlike
  | contrary \s to | except (?: \s for )? | exclud(?:e|es|ed|ing) | rul(?:e|es|ed|ing) \s out
  | reject(?:s|ed|ing)? | dismiss(?:es|ed|ing)? | discard(?:s|ed|ing)? | eliminat(?:e|es|ed|ing)
  | plutot \s (?: que | qu' ) | au \s lieu \s (?: de | d' | du ) | a \s la \s place \s (?: de | d' | du )
  | (?: mieux | plus \s (?: probable | juste | adapte | approprie ) ) \s (?: que | qu' ) | contrairement \s (?: a | au ) | par \s opposition \s (?: a | au ) | sauf | excepte | hormis
  | exclu(?: re | s | t | ant )? | ecart(?: e | er | ons | ant | e \s le ) | elimin(?: e | er | ons | ant )
  | rejet(?: te | er | ons | ant )
  ) (?: (?<=') | (?!\w) )
"""
_CONCEDE = r"""
    (?: although | though | even \s (?: though | if ) | while | whereas | despite | in \s spite \s of
  | bien \s que | meme \s si | malgre | quoique | alors \s (?: que | qu' ) | tandis \s que
  | between | entre | either | whether | torn | hesit\w+ | (?<= ,\s ) (?: with | avec ) ) (?!\w)
"""
_HEDGE = r"""
    (?: might | may | could | maybe | perhaps | possibly | at \s first | initially | first \s glance
  | pourrait | peut \s etre | possiblement | d'abord | premiere \s vue | au \s debut ) (?!\w)
"""
_BREAK = r"""
    (?P<end> [!?\n] | \. (?= \s | $ | ["'*)] ) | [。！？] ) | [;:()\[\]{}|] | \s - \s | => | ->
"""
_TURN = r"""
    (?: but | however | yet | so | therefore | thus | hence | because | since | then | mais | donc
  | car | parce | puisque | cependant | toutefois | pourtant ) (?!\w) | (?<! que \s ) c'est (?!\w)
"""
_JOIN = r"(?: or | ou | and | et ) (?!\w) | [/&]"
_THAN = r"(?: than | over | que ) (?!\w) | qu'"
_TOKEN = re.compile(
    rf"""(?<!\w) (?: (?P<exempt> {_EXEMPT} ) | (?P<passed> {_PASS} ) | (?P<denied> {_DENY} )
    | (?P<less> (?: less | moins ) (?!\w) ) | (?P<concede> {_CONCEDE} ) | (?P<hedge> {_HEDGE} )
    | (?P<join> {_JOIN} )
    | (?P<than> {_THAN} ) | (?P<turn> {_TURN} ) | (?P<word> [^\W_]+ ) ) | (?P<break> {_BREAK} ) | (?P<comma> [,،、] )
    | (?<=\w) (?P<slash> / ) """,
    re.VERBOSE,
)
_LIGHT = frozenset(
    """a an the be being been is are was were to of in as at all any that this it its i we you my
    very really so too quite at particularly especially entirely fully clearly strictly truly exactly
    necessarily actually much overall think believe say call consider feel find mean mention see seem
    seems appear appears look looks sound sounds like convey conveys express expresses contain
    contains show shows belong belongs go qualify qualifies count counts label labelled labeled
    classify classified class category text message review comment answer sentence tweet ticket post
    statement sentiment tone anything something content case would should could can opinion view
    de d du des le la l les un une en etre est soit sont sera serait que qu ce cet cette c il elle on
    je j s se n ne y dire pense crois trouve semble parait avis texte commentaire message ton
    sentiment contenu phrase vraiment tres trop tout a au fait particulierement forcement clairement
    dans pour comme qualifier qualifie appeler classer classe categorie etiquette releve relever mon ma sens moi selon puisse
    peut dit quoi""".split()
)
"""Words between a negation and what it denies that carry little."""
_MORE = frozenset(("more", "plus", "plutot", "rather", "davantage"))
_AFTER = re.compile(
    r"""[*"'`)\]]* \s* (?: (?: is | are | was | were | be | would | seems? | can | could | must | has | have | to
    | both | also | clearly | est | sont | serait | semble | doit | peut | etre | donc | here | label | category
    | option | class | answer | words? ) \s+ ){0,4}
    (?: wrong | incorrect | excluded | rejected | ruled \s out | false | out \s of \s the \s question | inappropriate
    | (?: not | isn't | aren't | wasn't ) \s (?: right | correct | applicable | appropriate | suitable
      | the \s (?: right | correct | answer | label | case ) | it | a \s good | present | justified )
    | (?: does | do | would | did ) (?: \s not | n't ) \s (?: apply | fit | hold | match | work | suit )
    | (?: doesn't | don't | wouldn't | didn't ) \s (?: apply | fit | hold | match | work | suit )
    | (?: ne \s | n' ) (?: convient | s'applique | correspond | colle | va ) \s pas
    | n'est \s pas \s (?: le \s | la \s )? (?: bon | bonne | correct | juste | adapte | approprie )\w*
    | faux | fausses? | exclue?s? | ecartee?s? | a \s (?: exclure | ecarter ) | erronee? | incorrecte?
    | inapproprie ) (?!\w)""",
    re.VERBOSE,
)
_REPLY = re.compile(r"\W*(?:(?P<no>no|non|not|nope|pas|never|jamais)|yes|yep|oui|si)\b")
_END = re.compile(r"[!?\n]|\.(?=\s|$|[\"'*)])|[。！？]")
_INSERTING = re.compile(r"not|pas|.*n'?t")


def is_phrase(plain: str, start: int) -> bool:
    """What stands there is no negation, but a fixed phrase that begins like one: `no doubt`."""
    found = _TOKEN.match(plain, start)
    return found is not None and found.lastgroup == "exempt"


def standings(plain: str, spans: Sequence[Span]) -> list[Standing]:
    """How a text means each thing that it names. `plain`: see `Written`; `spans`: in order."""
    scope = _Scope()
    found: list[Standing] = []
    led: list[str] = []  # the word before each
    asked = end = 0
    for start, stop in spans:
        if start - end > _FAR:
            scope, asked, end = _Scope(), len(found), start - _FAR
        word, adjacent = "", bool(found)
        linked = adjacent
        for token in _TOKEN.finditer(plain, end, start):
            kind, word = token.lastgroup or "", token[0]
            if kind == "break" and token["end"]:
                _close(found, asked, plain, token)
                asked = len(found)
            elif kind == "than" and not (adjacent and found[-1] == "named" and _more(word, led[-1])):
                kind = "word"
            scope.meet(kind, word)
            adjacent, linked = False, linked and kind in ("join", "comma", "slash")
        standing: Standing = "denied" if _AFTER.match(plain, stop) else scope.standing
        if linked and standing != scope.standing and found[-1] in ("named", "hedged"):
            found[-1] = "denied"  # `A and B are wrong`
        if scope.pending and standing == scope.kind:
            found[-scope.pending :] = [standing] * scope.pending
        scope.leave(standing)
        found.append(standing)
        led.append(word)
        end = stop
    if last := _END.search(plain, end, end + _FAR):
        _close(found, asked, plain, last)
    return found


@dataclass(slots=True)
class _Scope:
    """What a negation before this place reaches."""

    kind: Standing | None = None
    """What it makes of what comes next."""
    left: int = 0
    """Words of weight that it still reaches over."""
    chained: bool = False
    """It has reached something, and goes on over commas and `or`."""
    either: bool = False
    """An `or` stands in the chain."""
    pending: int = 0
    """How many come after commas in the chain: they depend on an `or` to come."""
    fresh: bool = False
    inserted: bool = False
    """Between commas right after the negation: `not, in my view, positive`."""
    conceded: bool = False
    hedged: bool = False

    @property
    def standing(self) -> Standing:
        """Of what stands at this place."""
        if self.conceded:
            return "aside"
        if self.kind and not self.inserted and (self.either or not self.chained):
            return self.kind
        return "hedged" if self.hedged else "named"

    def meet(self, kind: str, text: str) -> None:
        """A token between two mentions."""
        fresh, self.fresh = self.fresh, False
        match kind:
            case "denied" | "passed" | "less" | "than":
                pending = self.pending if text in ("nor", "ni") else 0
                meant: Standing = "denied" if kind == "denied" else "passed over"
                self._begin(meant, 0 if kind == "less" else REACH)
                self.pending, self.fresh = pending, bool(_INSERTING.fullmatch(text))
            case "concede":
                self.conceded = True
            case "hedge":
                self.hedged = True
            case "break" | "turn":
                self._begin(None, 0)
                self.conceded = self.hedged = False
            case "comma":
                self.conceded = self.hedged = False
                if fresh or self.inserted:
                    self.inserted = fresh
                elif not self.chained:
                    self.kind = None
            case "join" | "slash":
                if self.chained:
                    self.either = True
                elif text in ("and", "et"):
                    self.kind = None
            case "word" if not self.inserted:
                if self.chained:
                    self._begin(None, 0)
                elif text not in _LIGHT:
                    self.left -= 1
                    self.kind = self.kind if self.left >= 0 else None
            case _:
                pass

    def leave(self, standing: Standing) -> None:
        """What stands there has been judged."""
        if standing == self.kind:
            self.chained, self.either, self.pending = True, False, 0
        elif standing in ("named", "hedged") and self.kind and self.chained:
            self.pending += 1
        else:
            self._begin(None, 0)

    def _begin(self, kind: Standing | None, left: int) -> None:
        self.kind, self.left = kind, left
        self.chained = self.either = self.inserted = False
        self.pending = 0


def _more(text: str, before: str) -> bool:
    """`more X than Y`, `X over Y`, `plutôt X que Y` pass over Y."""
    return text in ("than", "over") or before in _MORE


def _close(found: list[Standing], first: int, plain: str, end: re.Match[str]) -> None:
    """A sentence ends: what stands in a question is not said, unless the next word is a yes."""
    if end[0] != "?":
        return
    reply = _REPLY.match(plain, end.end())
    meant: Standing = "denied" if reply and reply["no"] else "aside"
    if not reply or reply["no"]:
        found[first:] = [meant if one in ("named", "hedged") else one for one in found[first:]]
