"""Scorers without a model: what they give, why, and what their declarations refuse."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.outcomes import NoCalls, scored

from promptlathe import scoring
from promptlathe.documents import load
from promptlathe.errors import InputError
from promptlathe.records import Example, Score, Trace
from promptlathe.scoring import (
    Objective,
    Scorer,
    banned,
    chrf,
    json_schema,
    language,
    length,
    readability,
    required,
    rouge,
    similarity,
)
from promptlathe.scoring.builtin.measured import reading_ease
from promptlathe.scoring.builtin.syllables import syllables
from promptlathe.scoring.scorer import Surroundings
from promptlathe.testing.scorers import ScorerSuite

code_tests = scoring.tests


def score(scorer: Scorer, answer: str, labels: tuple[str, ...] = (), **row: Any) -> Score:
    measure = scorer.measure(Surroundings(lambda _: labels, Path()))
    found = measure(Example("e", row, "select"), Trace(answer), NoCalls())
    assert isinstance(found, Score)
    return found


# Length


@pytest.mark.parametrize(
    ("unit", "text", "count"),
    [
        ("words", "L'assurance n'est pas due : voilà !", 5),
        ("words", "- **État-major** (p. 3)\n- 12 €", 4),
        ("words", "東京 is big", 4),
        ("characters", " e\u0301té \n", 3),
        ("sentences", "M. Dupont est là. Il attend… Pourquoi ? « Parce que. » Voilà", 5),
        ("sentences", "Dr. Smith paid 3.5 dollars. Then he left", 2),
        ("sentences", "- un\n- deux\n\nFin.", 3),
        ("bullets", "Liste :\n- un\n  • deux\n3. trois\n4) quatre\n-cinq\n2024 est fini", 4),
    ],
)
def test_what_is_counted(unit: Any, text: str, count: int) -> None:
    assert score(length(unit=unit, min=count, max=count), text).value == 1
    over = score(length(unit=unit, max=count - 1), text)
    assert over.value == 0
    assert over.rationale == f"{count} {unit}: at most {count - 1} wanted"
    assert score(length(unit=unit, min=count + 1), text).rationale == (
        f"{count} {unit}: at least {count + 1} wanted"
    )


def test_a_length_of_each_row_and_of_one_field() -> None:
    scorer = length(max="most", parse={"json": "title"})
    answer = json.dumps({"title": "one two three", "text": "x " * 50})
    assert score(scorer, answer, most=3).value == 1
    assert score(scorer, answer, most="2").value == 0
    assert score(scorer, "none").value is None


# Readability

FRENCH = (
    "école2 maison2 ouverture3 été2 création3 pays2 voyage2 remboursement4 famille2 août1 eau1 "
    "client2 ouvrier3 table1 grandes1 guide1 que1 lui1 bien1 yeux1 quatre1 mangeait2 idée2 naïve2"
)
ENGLISH = (
    "the1 table2 happy2 created3 nation2 area3 makes1 boxes2 walked1 wanted2 science2 being2 "
    "question2 language2 beautiful3 immediately5 customer3 houses2 through1 simple2 client2"
)


def test_syllables() -> None:
    for lang, listed in (("fr", FRENCH), ("en", ENGLISH)):
        for one in listed.split():
            assert syllables(one[:-1], lang) == int(one[-1]), one


def test_the_formulas() -> None:
    """Flesch 1948 and Kandel & Moles 1958, by hand: 12 words, 2 sentences, 14 syllables."""
    text = "The cat sat on the mat. It was happy and it purred."
    assert reading_ease(text, "en") == pytest.approx(206.835 - 1.015 * 6 - 84.6 * 13 / 12)
    text = "Le chat dort sur le tapis. Il est content et il ronronne."
    assert reading_ease(text, "fr") == pytest.approx(207 - 1.015 * 6 - 73.6 * 15 / 12)
    assert reading_ease("12 !", "fr") is None


def test_readability_reads_the_language() -> None:
    hard = (
        "Nonobstant les stipulations contractuelles susmentionnées, l'indemnisation demeure "
        "subordonnée à la communication préalable des justificatifs réglementaires."
    )
    found = score(readability(min=60), hard)
    assert found.value == 0
    assert "Kandel & Moles 1958): at least 60 wanted" in str(found.rationale)
    assert score(readability(min=60, lang="en"), "We pay you back. It takes five days.").value == 1
    assert score(readability(max=60, lang="lang"), hard, lang="fr").value == 1
    assert score(readability(min=60), "12 %").value is None


# Phrases


@pytest.mark.parametrize(
    ("phrase", "text", "more", "there"),
    [
        ("assurance", "Souscrivez l’assurance.", {}, True),
        ("assurance", "Nos assurances", {}, False),
        ("assurance", "Nos assurances", {"whole_words": False}, True),
        ("l'assurance", "L’ASSURANCE est due", {}, True),
        ("aujourd'hui", "Aujourd’hui même", {}, True),
        ("100 % naturel", "100\u202f% **naturel**", {}, True),
        ("garanti", "un prix garanti !", {}, True),
        ("assuré", "il assure", {}, False),
        ("État", "l'Etat paie", {}, False),
        ("État", "l'Etat paie", {"accents": False}, True),
        ("SAV", "le sav", {}, True),
        ("SAV", "le sav", {"case": True}, False),
        ("cœur", "au coeur", {}, True),
        ("best\nprice", "the best  price.", {}, True),
        ("C++", "in C++ and C", {}, True),
        ("guarantee", "guaranteed", {}, False),
    ],
)
def test_phrases(phrase: str, text: str, more: Any, there: bool) -> None:
    assert score(required([phrase], **more), text).value == there
    assert score(banned([phrase], **more), text).value == (not there)


def test_why_a_phrase_counts() -> None:
    found = score(required(["refund", ["14 days", "two weeks"], "email"]), "A refund in two weeks.")
    assert found.value == pytest.approx(2 / 3)
    assert found.rationale == 'missing: "email"'
    found = score(banned(["guaranteed", "risk-free"]), "It is Guaranteed!")
    assert (found.value, found.rationale) == (0, 'must not stand there: "guaranteed"')


def test_phrases_of_each_row() -> None:
    assert score(required("must"), "Oui, demain.", must=["oui", ["demain", "mardi"]]).value == 1
    assert score(required("must"), "Oui.", must=[]).value == 1
    assert score(banned("never"), "promis", never="promis").value == 0


# JSON

SCHEMA = {
    "type": "object",
    "properties": {"date": {"type": "string", "format": "date"}, "n": {"type": "integer"}},
    "required": ["date"],
}


@pytest.mark.parametrize(
    ("answer", "strict", "value", "why"),
    [
        ('{"date": "2026-01-31", "n": 3}', True, 1, None),
        ('Here: {"date": "2026-01-31"}', False, 1, None),
        ('Here: {"date": "2026-01-31"}', True, 0, "no JSON: Expecting value"),
        ('{"date": "31/01/2026", "n": "x"}', False, 0, "$.date: '31/01/2026' is not a 'date'; $.n"),
        ('{"n": NaN}', True, 0, "no JSON: NaN is no JSON"),
        ("[1]", True, 0, "$: [1] is not of type 'object'"),
        ("none", False, None, None),
    ],
)
def test_json_schema(answer: str, strict: bool, value: float | None, why: str | None) -> None:
    found = score(json_schema(SCHEMA, parse="text" if strict else "json"), answer)
    assert found.value == value
    assert (why is None) == (found.rationale is None)
    assert (why or "") in (found.rationale or "")


def test_a_schema_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "schema.json"
    around = Surroundings(lambda _: (), tmp_path)
    scorer = json_schema("schema.json")
    for text, said in (
        ("{", "is not JSON"),
        ("[]", "it is no object"),
        ('{"type": "txt"}', "$.type"),
        ('{"$ref": "https://example.org/s"}', "nothing is fetched"),
    ):
        place.write_text(text)
        with pytest.raises(InputError, match=r"schema\.json") as caught:
            scorer.measure(around)
        assert said in caught.value.what
    place.write_text(json.dumps(SCHEMA))
    first = scorer.fingerprint(around)
    place.write_text("{}")
    assert scorer.fingerprint(around) != first


# Language


def test_language() -> None:
    french, english = "Bonjour, votre colis arrive demain matin.", "Your parcel arrives tomorrow."
    assert score(language("fr"), french).value == 1
    found = score(language("fr", among=("en", "fr")), english)
    assert (found.value, found.rationale) == (0, "the answer looks like en, wanted is fr")
    assert score(language(field="lang", among=("en", "fr")), french, lang="fr").value == 1
    assert score(language("fr"), "42").value is None


# Overlap


@pytest.mark.slow
def test_rouge_reads_any_letters() -> None:
    assert score(rouge("t"), "L’été à la plage", t="l'été à la plage").value == 1
    assert score(rouge("t", kind="rouge2"), "le chat noir", t="le chat blanc").value == 0.5
    assert score(rouge("t"), "der Hund", t=["le chat", "der Hund"]).value == 1
    assert score(rouge("t"), "été", t="ete").value == 0


def test_chrf() -> None:
    near = score(chrf("t"), "le chat dormait", t="le chat dort").value
    far = score(chrf("t"), "un chien", t="le chat dort").value
    assert isinstance(near, float)
    assert isinstance(far, float)
    assert 1 > near > 0.6 > far
    assert score(chrf("t", word_order=2), "le chat dort", t="le chat dort").value == 1


@pytest.mark.slow
def test_similarity_counts_less_what_all_targets_have() -> None:
    targets = ("Bonjour, remboursement accordé", "Bonjour, livraison demain", "Bonjour, à lundi")

    def of(answer: str) -> float:
        value = score(similarity("t"), answer, targets, t=targets[0]).value
        assert isinstance(value, float)
        return value

    assert of(targets[0]) == pytest.approx(1)
    assert of("Nous accordons les remboursements") > 2 * of("Bonjour")
    assert of("xyz") == 0


# The suite of every scorer


class TestLength(ScorerSuite):
    row: ClassVar[Any] = {"most": 2}
    readable = ("one two", "one two three", "12")

    def scorer(self) -> Scorer:
        return length(max="most")

    def others(self) -> list[Scorer]:
        return [length(max=1), length(max=9), length(max="most", unit="characters")]


@pytest.mark.slow
class TestReadability(ScorerSuite):
    readable = ("It is on its way.",)
    unreadable = ("", "12")

    def scorer(self) -> Scorer:
        return readability(min=50, lang="en")

    def others(self) -> list[Scorer]:
        return [readability(min=50), readability(min=120, lang="en")]


class TestRequired(ScorerSuite):
    def scorer(self) -> Scorer:
        return required(["delivery", ("a", "b")])

    def others(self) -> list[Scorer]:
        return [required(["delivery", "a"]), required(["delivery", ("a", "b")], case=True)]


class TestBanned(ScorerSuite):
    def scorer(self) -> Scorer:
        return banned(["delivery"])


@pytest.mark.slow
class TestJsonSchema(ScorerSuite):
    readable = ('{"date": "2026-01-01"}', "{}")
    unreadable = ("", "none")

    def scorer(self) -> Scorer:
        return json_schema(SCHEMA)

    def others(self) -> list[Scorer]:
        return [json_schema(SCHEMA, parse="text"), json_schema({"type": "object"})]


class TestLanguage(ScorerSuite):
    readable = ("Votre colis arrive demain.", "Your parcel arrives tomorrow.")
    unreadable = ("", "12")

    def scorer(self) -> Scorer:
        return language("fr", among=("en", "fr"))

    def others(self) -> list[Scorer]:
        return [language("en", among=("en", "fr"))]


@pytest.mark.slow
class TestChrf(ScorerSuite):
    def scorer(self) -> Scorer:
        return chrf("label")

    def others(self) -> list[Scorer]:
        return [chrf("label", word_order=1)]


@pytest.mark.slow
class TestRouge(ScorerSuite):
    def scorer(self) -> Scorer:
        return rouge("label")

    def others(self) -> list[Scorer]:
        return [rouge("label", kind="rouge1")]


@pytest.mark.slow
class TestSimilarity(ScorerSuite):
    def scorer(self) -> Scorer:
        return similarity("label")


# Declarations

ROWS = [
    {"text": f"t{i}", "label": "x", "most": 5, "must": ["a"], "lang": "fr", "checks": ["f()"]}
    for i in range(12)
]
SCORERS = """
- length: {unit: bullets, min: 2, max: most}
- readability: {min: 40.5, lang: fr}
- required: [a, [b, c]]
- required: {phrases: must, accents: false, name: must}
- banned: [guaranteed]
- json_schema: {schema: {type: object}}
- language: fr
- language: {field: lang, name: own}
- rouge: label
- chrf: {target: label, word_order: 2}
- similarity: label
- tests: {field: checks, timeout: 3.0}
"""


def test_they_are_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "objective.yaml"
    path.write_text(f"dataset: x.jsonl\nscorers:{SCORERS.replace(chr(10), chr(10) + '  ')}\n")
    objective = Objective.load(path)
    assert objective.to_dict()["scorers"] == load(path).data["scorers"]
    path.write_text(objective.to_yaml())
    assert Objective.load(path) == objective


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("length: {}", "neither `min` nor `max`"),
        ("length: {max: true}", "found true"),
        ("length: {max: -1}", "must be at least 0"),
        ("length: {min: 3, max: 2}", "`min` 3 is more than `max` 2"),
        ("length: {max: mots}", "no row has the field 'mots'; did you mean 'most'"),
        ("length: {max: label}", "'label' is no length: 'x'"),
        ("length: {max: 3, unit: word}", "did you mean 'words'"),
        ("length: {max: 3, parse: label}", "`label` needs a target"),
        ("length: 3", "found the number 3"),
        ("readability: {min: hard}", "found the text 'hard'"),
        ("readability: {min: 3, lang: label}", "'label' is none of en, fr"),
        ("required: []", "it is an empty list"),
        ("required: must_say", "no row has the field 'must_say'"),
        ("required: most", "'most' is no list of phrases: '5'"),
        ("required: [3]", "it is no list of phrases"),
        ("banned: ['  ']", "it is no list of phrases"),
        ("banned: {phrases: [a], words: true}", "unknown key 'words'"),
        ("json_schema: {schema: {type: txt}}", "no JSON schema: $.type"),
        ("json_schema: nowhere.json", "nowhere.json"),
        ("language: french", "'french' is the code of no language"),
        ("language: {lang: fr, field: lang}", "one of `lang` and `field`"),
        ("language: {field: label}", "'label' is no language's code: 'x'"),
        ("language: {lang: fr, among: [en, de]}", "is not in `among`"),
        ("rouge: {target: label, kind: rouge5}", "did you mean 'rouge"),
        ("chrf: {target: label, word_order: 3}", "word_order"),
        ("similarity: {target: labl}", "did you mean 'label'"),
        ("tests: {field: label, memory: 3}", "must be at least 64"),
        ("tests: most", "'most' is no list of tests"),
        ("tests: text", "'text' holds a test that is not Python"),
        ("tests: {field: checks, timeout: 0}", "must be more than 0"),
    ],
)
def test_a_mistake_is_one_message_before_any_call(tmp_path: Path, entry: str, said: str) -> None:
    rows = [{**row, "text": f"t {row['text']}"} for row in ROWS]
    (tmp_path / "d.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "objective.yaml").write_text(f"dataset: d.jsonl\nscorers:\n  - {entry}\n")
    with pytest.raises(InputError) as caught:
        Objective.load(tmp_path / "objective.yaml").check()
    assert said in str(caught.value)
    assert caught.value.where


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.scoring.builtin.overlap.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"promptlathe\[overlap\]"):
        Objective(ROWS, scorer=rouge("label")).check()


def test_reasons_stand_beside_the_scores() -> None:
    objective = Objective(ROWS, scorers=[length(max=1), banned(["guaranteed"])])
    outcome = scored(objective, objective.examples("select")[0], "It is guaranteed")
    objective.close()
    assert outcome.value == 0
    assert outcome.rationales == {
        "length": "3 words: at most 1 wanted",
        "banned": 'must not stand there: "guaranteed"',
    }


# The guide

PAGE = Path(__file__).parent.parent / "docs/guide/scorers.md"
EXAMPLES = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| `") and line.count("|") == 6
]


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: line[0])
def test_the_table_of_the_guide(line: list[str], tmp_path: Path) -> None:
    entry, row, answer, value, reason = line
    (tmp_path / "entry.yaml").write_text(entry, encoding="utf-8")
    (scorer,) = Objective([{"a": 1}], scorer=load(tmp_path / "entry.yaml").data).scorers
    found = score(scorer, answer, **json.loads(row))
    assert (found.value, found.rationale or "") == (float(value), reason)
