"""What the program says of a run in its own words, as a report says it."""

from collections.abc import Mapping


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


SAID: Mapping[str, str] = {
    # why a prompt is recommended
    "the best prompt is better than the seed": _("it is better than the starting prompt"),
    "the best prompt is better than the champion": _("it is better than the current champion"),
    "the best prompt is worse than the seed": _("the new prompt is worse than the starting prompt"),
    "the best prompt is worse than the champion": _("the new prompt is worse than the champion"),
    "the best prompt is not shown to be better than the seed": _(
        "the new prompt is not shown to be better than the starting prompt"
    ),
    "the best prompt is not shown to be better than the champion": _(
        "the new prompt is not shown to be better than the champion"
    ),
    "as good as the seed, and takes fewer tokens": _(
        "it is as good as the starting prompt, and takes fewer tokens"
    ),
    "as good as the champion, and takes fewer tokens": _(
        "it is as good as the champion, and takes fewer tokens"
    ),
    "the seed is better than the champion": _("the starting prompt is better than the champion"),
    "the best prompt breaks a limit": _("the new prompt breaks a limit"),
    "the best prompt is not shown to keep a limit": _(
        "the new prompt is not shown to keep a limit"
    ),
    "the seed breaks a limit, the best prompt keeps all and is not shown worse": _(
        "the starting prompt breaks a limit; the new one keeps all and is not shown to be worse"
    ),
    "the seed is not shown to keep a limit, the best prompt keeps all and is not shown worse": _(
        "the starting prompt is not shown to keep a limit; the new one keeps all and is not shown "
        "to be worse"
    ),
    "the champion breaks a limit, the best prompt keeps all and is not shown worse": _(
        "the champion breaks a limit; the new prompt keeps all and is not shown to be worse"
    ),
    "the champion is not shown to keep a limit, the best prompt keeps all and is not shown worse": (
        _(
            "the champion is not shown to keep a limit; the new prompt keeps all and is not shown "
            "to be worse"
        )
    ),
    "the champion breaks a limit, and is not better than the seed": _(
        "the champion breaks a limit, and is not better than the starting prompt"
    ),
    "the champion is not shown to keep a limit, and is not better than the seed": _(
        "the champion is not shown to keep a limit, and is not better than the starting prompt"
    ),
    # why the search ended
    "budget: calls": _("the calls of the budget were used"),
    "budget: tokens": _("the tokens of the budget were used"),
    "budget: usd": _("the money of the budget was used"),
    "budget: minutes": _("the time of the budget was over"),
    "sure": _("a better prompt had become unlikely"),
    "every candidate of the space was tried": _("every possible prompt was tried"),
    "every cell that could teach something was bought": _(
        "nothing was left to ask that could teach something"
    ),
    # what became of an answer
    "right": _("right"),
    "partly right": _("partly right"),
    "wrong": _("wrong"),
    "unread": _("could not be read"),
    "cut off": _("cut off at the limit of tokens"),
    "empty": _("empty"),
    "refused": _("the model refused"),
    "failed": _("the prompt made the call fail"),
    "no answer": _("no answer: the service failed, or nobody asked"),
    "answered": _("answered"),
    # how a prompt may be sent
    "chain": _(
        "The run tuned a chain of several prompts: run the chain with these texts in its steps."
    ),
    "filled": _(
        "The prompt shows examples or passages that are chosen for each row: promptlathe.render "
        "makes its messages."
    ),
    "pictures": _("The prompt holds pictures: promptlathe.render makes its messages."),
}
"""By the program's own words, or what stands before a colon in them; others stay as they are."""
