"""Good first drafts, and what goes wrong with first drafts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["triage", "banking"]
Draft = Mapping[str, str]
"""The text of each component: instruction, labels, format."""

TRIAGE: Draft = {
    "instruction": "Read the support ticket and name the one team that should handle it.",
    "labels": """Teams:
- billing: invoices, subscription price, charges, payment method, VAT
- account_access: login, password, codes, locked account, staff invitations, permissions
- technical_issue: errors, crashes, something that is broken or stopped working
- how_to: questions about how to do something or where to find it
- feature_request: ideas and wishes for something that does not exist yet
- cancellation: ending, pausing or not renewing the subscription
- data_privacy: personal data, GDPR requests, phishing, security
- delivery: orders, shipping, parcels, returns of card readers and printers""",
    "format": "Answer with the team's label only, nothing else.",
}
BANKING: Draft = {
    "instruction": "Read the bank customer's question and name its intent.",
    "labels": """Intents:
- Refund_not_showing_up: a refund that should be there by now is missing
- activate_my_card: how to activate a new card
- age_limit: how old one must be to open an account, accounts for children
- apple_pay_or_google_pay: paying or topping up with Apple Pay, Google Pay, a watch
- atm_support: which cash machines take the card, where the nearest one is
- automatic_top_up: topping up by itself when the balance is low
- balance_not_updated_after_bank_transfer: a transfer was made and the balance is still the same
- balance_not_updated_after_cheque_or_cash_deposit: a cheque or cash was paid in and is not shown
- beneficiary_not_allowed: a transfer to a recipient is refused
- cancel_transfer: a transfer was made by mistake and should be cancelled""",
    "format": "Answer with the intent only, nothing else.",
}
GOOD: Mapping[Task, Draft] = {"triage": TRIAGE, "banking": BANKING}


@dataclass(frozen=True)
class Defect:
    """One way in which a draft is broken."""

    name: str
    task: Task
    change: Callable[[Draft], Draft]

    @property
    def draft(self) -> Draft:
        return self.change(GOOD[self.task])


def _put(**texts: str) -> Callable[[Draft], Draft]:
    return lambda draft: {**draft, **texts}


def _labels(change: Callable[[list[str]], list[str]]) -> Callable[[Draft], Draft]:
    """Changes the lines of the list, heading aside."""

    def changed(draft: Draft) -> Draft:
        head, *lines = draft["labels"].split("\n")
        return {**draft, "labels": "\n".join([head, *change(lines)])}

    return changed


def _shifted(lines: list[str]) -> list[str]:
    """Each label with the definition of the next."""
    names = [line.split(":")[0] for line in lines]
    definitions = [line.partition(":")[2] for line in lines]
    moved = definitions[1:] + definitions[:1]
    return [f"{name}:{text}" for name, text in zip(names, moved, strict=True)]


def _swapped(*pairs: tuple[int, int]) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        names = [line.split(":")[0] for line in lines]
        texts = [line.partition(":")[2] for line in lines]
        for a, b in pairs:
            texts[a], texts[b] = texts[b], texts[a]
        return [f"{name}:{text}" for name, text in zip(names, texts, strict=True)]

    return change


def _without(*places: int) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line for i, line in enumerate(lines) if i not in places]


_STALE = """Background. These notes were collected over the years, please read all of them.
If a refund is missing or does not show up, choose cancel_transfer. If it is about activating a new
card, choose age_limit. If it is about how old one must be, an account for a child or a daughter,
choose atm_support. If it is about Apple Pay, Google Pay or a watch, choose automatic_top_up. If it
is about a cash machine or an ATM, choose activate_my_card. If it is about topping up when the
balance is low, choose apple_pay_or_google_pay. If a transfer was made by mistake, choose
beneficiary_not_allowed. If a beneficiary or a recipient is refused, choose Refund_not_showing_up.
If a cheque or cash was deposited, choose balance_not_updated_after_bank_transfer. If a bank
transfer does not show in the balance, choose balance_not_updated_after_cheque_or_cash_deposit. """
_FILLER = (
    "We value every customer and want to be helpful, friendly and quick at all times, whatever the "
    "hour, the channel or the mood, and we thank you for your patience with this long document. "
)
_LONG = _STALE + _FILLER * 30

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "wrong output format",
        "triage",
        _put(format="Reply to the customer in a short, friendly letter that says who will help."),
    ),
    Defect("missing labels", "triage", _labels(_without(3, 7))),
    Defect("labels the wrong way round", "triage", _labels(_swapped((0, 7), (1, 5), (2, 6)))),
    Defect(
        "other names than the labels",
        "triage",
        _put(
            labels="Teams: Accounts and Invoices, Identity Desk, Engineering, Coaching, Product "
            "Ideas, Retention, Legal, Warehouse"
        ),
    ),
    Defect(
        "lost instruction and labels",
        "triage",
        _put(instruction="You are a helpful assistant.", labels="Be polite and brief."),
    ),
    Defect(
        "misspelt labels",
        "triage",
        _put(
            labels=TRIAGE["labels"]
            .replace("billing:", "biling:")
            .replace("account_access", "acount_access")
            .replace("technical_issue", "tecnical_issue")
            .replace("delivery:", "delivry:")
        ),
    ),
    Defect(
        "wrong output format (JSON)",
        "banking",
        _put(format='Answer as JSON with the keys "reasoning" and "topic".'),
    ),
    Defect("missing labels", "banking", _labels(_without(1, 4, 8))),
    Defect("labels the wrong way round", "banking", _labels(_shifted)),
    Defect("far too long, with stale rules", "banking", _put(instruction=_LONG)),
    Defect(
        "wrong language",
        "banking",
        _put(
            instruction="Lies die Frage des Bankkunden und nenne das Anliegen, um das es geht.",
            labels="Anliegen: Erstattung fehlt, Karte aktivieren, Altersgrenze, Handyzahlung, "
            "Geldautomaten, automatisches Aufladen, Saldo nach Überweisung, Saldo nach Einzahlung, "
            "Empfänger abgelehnt, Überweisung stornieren",
            format="Antworte nur mit dem Anliegen.",
        ),
    ),
    Defect(
        "contradictory sentences",
        "banking",
        _put(
            format="Answer with the intent only, nothing else. First explain your choice step by "
            "step. Write the intent between <intent> and </intent>, never alone."
        ),
    ),
)
