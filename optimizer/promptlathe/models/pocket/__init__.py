"""The pocket model: a tiny in-context learner that needs no key, no download and no network.

    layout      messages -> prose, demos and the input
    labels      prose -> labels, and what it says of each
    formats     prose and demos -> the format of the answer, and the answer
    classifier  labels with what is said and shown of them, and the input -> labels in order
    learner     `answer(messages, parameters)`: the whole way, with token counts
    tokens      the word pieces that are counted
    chat_api    the bodies of OpenAI's chat completions
    faults      which requests go wrong
    server      the same answers over HTTP, with faults on request

It classifies, in the formats that prompts ask for, and does nothing else. It sees only the
messages, never a dataset, and equal messages give equal answers.
"""

VERSION = "3"
"""Changes whenever an answer may change: the ledger keeps the answers of each version apart."""
