"""The pocket model: a tiny in-context learner that needs no key, no download and no network.

    names       the words by which prompts name inputs, outputs and labels
    layout      messages -> the final input, the solved examples, and the prose that is left
    labels      prose -> labels with their definitions
    rules       prose -> words for and against a label
    formats     prose -> the format that the prompt asks for
    features    text -> features
    classifier  labels, evidence, demos and the final input -> labels in order
    context     all of a prompt but its final input, read once
    writing     the order of the labels -> the text of the answer
    tokens      the word pieces that are counted
    learner     `answer(messages, parameters)`: the whole way, with token counts
    chat_api    the bodies of OpenAI's chat completions
    faults      which requests go wrong
    server      the same answers over HTTP, with faults on request

It classifies, in the formats that prompts ask for, and does nothing else. It sees only the
messages, never a dataset, and equal messages give equal answers.
"""

VERSION = "2"
"""Changes whenever an answer may change: the ledger keeps the answers of each version apart."""
