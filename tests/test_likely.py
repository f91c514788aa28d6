"""How likely the labels of an answer were: read from log probabilities, over HTTP, and kept."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.services import HI, Service, ask, completion, serving

from promptlathe.ledger import Ledger
from promptlathe.models import ModelSettings, connect
from promptlathe.models.likely import ASKED, Likely, likely
from promptlathe.models.openai_compatible import LONGEST
from promptlathe.records import Answer, Failure

LABELS = ("card_arrival", "card_linking", "top_up")
CALL = replace(HI, labels=LABELS)
Alternatives = Mapping[str, float]


def content(*tokens: tuple[str, Alternatives]) -> list[dict[str, Any]]:
    """Tokens as a service gives them: the text of each, and the chances of what may stand there."""

    def log(token: str, chance: float) -> dict[str, Any]:
        return {"token": token, "logprob": math.log(chance), "bytes": None}

    return [
        {**log(text, chances[text]), "top_logprobs": [log(t, p) for t, p in chances.items()]}
        for text, chances in tokens
    ]


def chances(labels: Sequence[str], *tokens: tuple[str, Alternatives]) -> Likely:
    return likely({"logprobs": {"content": content(*tokens)}}, labels)


def near(*pairs: tuple[str, float]) -> Any:
    return [(label, pytest.approx(chance, abs=1e-5)) for label, chance in pairs]


def test_labels_that_begin_alike_part_where_their_tokens_do() -> None:
    found = chances(
        LABELS,
        (" card", {" card": 0.8, " top": 0.15, "The": 0.05}),
        ("_arrival", {"_arrival": 0.75, "_linking": 0.2, "_x": 0.05}),
    )
    assert list(found) == near(("card_arrival", 0.6), ("card_linking", 0.16), ("top_up", 0.15))


def test_what_begins_several_labels_is_shared_between_them() -> None:
    found = chances(LABELS, ("top_up", {"top_up": 0.7, "card": 0.3}))
    assert list(found) == near(("top_up", 0.7), ("card_arrival", 0.15), ("card_linking", 0.15))


@pytest.mark.parametrize(
    ("before", "begins"),
    [
        (["The", " intent", " is", " "], "card"),
        (['{"', "label", '":', ' "'], "card"),
        (["Not", " top", "_up", ",", " but", " **"], "Card"),
        (["Intent:", "\n"], "CARD"),
    ],
)
def test_the_label_stands_where_the_answer_last_names_one(before: list[str], begins: str) -> None:
    found = chances(
        LABELS,
        *((text, {text: 0.5}) for text in before),
        (begins, {begins: 0.9, "top": 0.1}),
        (" arrival", {" arrival": 1.0}),
        (".", {".": 0.4}),
    )
    assert list(found) == near(("card_arrival", 0.9), ("top_up", 0.1))


def test_one_letter_between_brackets() -> None:
    found = chances(
        ("(A)", "(B)"),
        ("(", {"(": 0.9, "A": 0.05, "B": 0.05}),
        ("B", {"B": 0.75, "A": 0.25}),
        (")", {")": 1.0}),
    )
    assert list(found) == near(("(B)", 0.75), ("(A)", 0.25))


def test_a_label_that_begins_another_is_not_taken_for_it() -> None:
    found = chances(("no", "not sure"), ("no", {"no": 0.6, "not": 0.3, "n": 0.1}))
    assert list(found) == near(("no", 0.65), ("not sure", 0.35))


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"logprobs": None},
        {"logprobs": {"content": None}},
        {"logprobs": {"content": []}},
        {"logprobs": {"content": [{"token": "top_up"}]}},
        {"logprobs": {"content": [{"token": 5, "logprob": "x", "top_logprobs": None}]}},
        {"logprobs": {"content": content(("dunno", {"dunno": 1.0}))}},
        {"logprobs": {"content": content(("stopcard_arrival", {"stopcard_arrival": 1.0}))}},
        {"logprobs": {"content": content(("istop_up", {"istop_up": 1.0}))}},
    ],
)
def test_without_them_or_without_a_label_nothing_is_said(choice: Mapping[str, Any]) -> None:
    assert likely(choice, LABELS) == ()


def test_a_label_that_only_a_grammar_made_it_say() -> None:
    held = ("top_up", {"top_up": 0.002, "card": 0.003, "Sure": 0.9})
    assert chances(LABELS, held) == ()


def test_a_broken_alternative_is_left_out() -> None:
    tokens = content(("top_up", {"top_up": 0.9}))
    tokens[0]["top_logprobs"] += [{"token": "card"}, None, {"token": None, "logprob": -1}]
    assert likely({"logprobs": {"content": tokens}}, LABELS) == (("top_up", 0.9),)


# Over HTTP


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, str]]:
    async with serving() as found:
        yield found


SAID = completion("top_up", logprobs={"content": content(("top_up", {"top_up": 0.7, "card": 0.3}))})


async def test_they_are_asked_for_only_where_labels_are_wanted(
    service: tuple[Service, str],
) -> None:
    fake, url = service
    fake.says(SAID)
    reply = await ask(url, CALL)
    assert isinstance(reply, Answer)
    assert reply.text == "top_up"
    assert list(reply.likely) == near(
        ("top_up", 0.7), ("card_arrival", 0.15), ("card_linking", 0.15)
    )
    plain = await ask(url)
    assert isinstance(plain, Answer)
    assert plain.likely == ()
    assert [set(body) & set(ASKED) for body in fake.bodies] == [set(ASKED), set()]
    assert CALL.key == HI.key
    assert CALL == HI


async def test_what_you_say_yourself_goes_before(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says(SAID)
    await ask(url, replace(CALL, parameters=(("top_logprobs", 3),)))
    assert fake.bodies[0]["top_logprobs"] == 3


async def asked(url: str, *, times: int) -> list[Answer | Failure]:
    """By one client."""
    model = connect(ModelSettings(name="m", base_url=url, retries=0))
    try:
        return [await model.answer(CALL) for _ in range(times)]
    finally:
        await model.close()


@pytest.mark.parametrize("said", ["Unknown name: logprobs", "Extra inputs are not permitted"])
async def test_a_model_that_refuses_is_asked_without_from_then_on(
    service: tuple[Service, str], said: str
) -> None:
    fake, url = service
    fake.says({"error": {"message": said}}, 400)
    fake.says(completion("top_up"))
    replies = await asked(url, times=3)
    assert [getattr(reply, "text", None) for reply in replies] == ["top_up"] * 3
    assert ["logprobs" in body for body in fake.bodies] == [True, False, False, False]


async def test_a_model_that_thinks_aloud_is_not_asked_any_more(
    service: tuple[Service, str],
) -> None:
    fake, url = service
    fake.says({**SAID, "usage": {"prompt_tokens": 5, "completion_tokens": LONGEST + 1}})
    first, second = await asked(url, times=2)
    assert isinstance(first, Answer)
    assert first.likely
    assert isinstance(second, Answer)
    assert ["logprobs" in body for body in fake.bodies] == [True, False]


async def test_a_prompt_that_is_refused_either_way_is_its_own_fault(
    service: tuple[Service, str],
) -> None:
    fake, url = service
    fake.says({"error": {"message": "the prompt holds no words"}}, 400)
    fake.says({"error": {"message": "the prompt holds no words"}}, 400)
    fake.says(SAID)
    refused, answered = await asked(url, times=2)
    assert isinstance(refused, Failure)
    assert refused.of_prompt
    assert isinstance(answered, Answer)
    assert answered.likely


def test_they_are_kept_with_the_answer(tmp_path: Path) -> None:
    answer = Answer("top_up", likely=(("top_up", 0.7), ("card_arrival", 0.3)))
    url = f"sqlite:///{tmp_path}/ledger.db"
    with closing(Ledger(url)) as ledger:
        ledger.record([(CALL, answer), (replace(HI, repeat=1), Answer("no"))])
    with closing(Ledger(url)) as ledger:
        found = ledger.find([CALL.key, replace(HI, repeat=1).key])
    assert found[CALL.key] == answer
    assert found[replace(HI, repeat=1).key] == Answer("no")
