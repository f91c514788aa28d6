"""Which of the things that a text names it turns down, in English and French.

`not positive`, `n'est pas positif`, `negative rather than positive`, `neither … nor …`,
`positive is wrong`. A negation reaches what is named after it over words that carry little (`not
really a positive …`) and one that does, never over the end of a clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptlathe.scoring.reading.phrases import (
    AFTER,
    CONCEDE,
    DENY,
    EXEMPT,
    HEDGE,
    LIGHT,
    MORE,
    PASS,
    TURN,
)

Standing = Literal["named", "hedged", "denied", "passed over", "aside"]
"""hedged: it may be this one. denied: it is not this one (`not X`). passed over: another is
preferred (`rather than X`). aside: it stands in a question, or is conceded or weighed (`although
X …`, `between X and …`)."""
Span = tuple[int, int]

REACH = 1
"""Words of some weight that may stand between a negation and what it denies."""
_FAR = 400
"""Characters before a mention that are looked at."""

_BREAK = r"""
    (?P<end> [!?\n] | \. (?= \s | $ | ["'*)] ) | [。！？] ) | [;:()\[\]{}|] | \s-\s | => | ->
"""
_TOKEN = re.compile(
    rf"""(?<!\w) (?: (?P<exempt> {EXEMPT} ) | (?P<passed> {PASS} ) | (?P<denied> {DENY} )
      | (?P<less> (?: less | moins ) (?!\w) ) | (?P<concede> {CONCEDE} ) | (?P<hedge> {HEDGE} )
      | (?P<join> (?: or | ou | and | et ) (?!\w) | & )
      | (?P<than> (?: than | over | que ) (?!\w) | qu' ) | (?P<turn> {TURN} )
      | (?P<word> [^\W_]+ ) )
    | (?P<break> {_BREAK} ) | (?P<comma> [,،、] ) | (?P<slash> / )""",
    re.VERBOSE,
)
_AFTER = re.compile(AFTER)
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
            if kind == "than" and not (adjacent and _passes_over(word, found[-1], led[-1])):
                kind = "word"
            scope.meet(kind, word)
            adjacent, linked = False, linked and kind in ("join", "comma", "slash")
        standing: Standing = "denied" if _AFTER.match(plain, stop) else scope.standing
        if linked and standing != scope.standing and found[-1] in ("named", "hedged"):
            found[-1] = "denied"  # `A and B are wrong`
        if scope.pending and standing == scope.kind:
            for place in range(len(found) - scope.pending, len(found)):
                found[place] = standing
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
                elif text not in LIGHT:
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


def _passes_over(text: str, last: Standing, before: str) -> bool:
    """`more X than Y`, `X over Y`, `plutôt X que Y` pass over Y."""
    return last == "named" and (text in ("than", "over") or before in MORE)


def _close(found: list[Standing], first: int, plain: str, end: re.Match[str]) -> None:
    """A sentence ends: what stands in a question is not said, unless the next word is a yes."""
    if end[0] != "?":
        return
    reply = _REPLY.match(plain, end.end())
    meant: Standing = "denied" if reply and reply["no"] else "aside"
    if not reply or reply["no"]:
        found[first:] = [meant if one in ("named", "hedged") else one for one in found[first:]]
