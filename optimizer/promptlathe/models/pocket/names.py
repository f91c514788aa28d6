"""The words by which prompts name inputs, outputs and labels."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_INPUTS = word_set(
    """
    ticket text input question q message query email mail review sentence request comment document
    post passage utterance statement content headline article complaint
    """
)
_OUTPUTS = word_set(
    """
    label category answer a output intent team class sentiment classification result response
    department queue topic verdict target prediction
    """
)
LABEL_NOUN = (
    r"(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|teams?|options?|choices?|topics?"
    r"|departments?|queues?|sentiments?|values?)"
)
"""What a list of labels is called; a pattern without flags."""
_WRAPPING = " \t\n\"'“”«»`*."


def is_output(name: str) -> bool:
    """Whether a key or a tag names an output: "label", "Final answer"."""
    return any(part in _OUTPUTS for part in name.lower().split())


def is_input(name: str) -> bool:
    """Whether a key or a tag names an input: "ticket", "Customer message"."""
    return any(part in _INPUTS for part in name.lower().split()) and not is_output(name)


def clean_label(text: str) -> str:
    """A label without the quotation marks, markup and full stop around it."""
    return text.strip(_WRAPPING)


def is_name(text: str) -> bool:
    """Whether a text is short enough for a label."""
    return 0 < len(text) <= 50 and len(text.split()) <= 5
