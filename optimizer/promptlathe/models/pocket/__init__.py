"""The pocket model: a tiny in-context learner that needs no key, no download and no network.

    vocabulary  the words by which prompts speak of inputs, outputs and labels
    wording     text -> features
    layout      messages -> the final input, and the context around it
    demos       context -> solved examples, and the prose that is left
    items       prose -> its lists, tables and headings
    labels      prose -> labels with their definitions
    rules       prose -> words for and against a label
    formats     prose -> the format that the prompt asks for
    context     all of these, cached by the content of the context
    classifier  evidence of the context and the final input -> labels in order
    writing     that order -> the text of the answer
    rewriting   answers requests for a better text; requests, reflection, drafts, telling,
                improving, reshaping and translating are its parts
    tokens      the word pieces that are counted
    learner     `answer(messages)`: the whole way, with token counts
    chat_api    the bodies of OpenAI's chat completions
    faults      which requests go wrong
    server      the same answers over HTTP, with faults on request

It sees only the messages, never a dataset, and equal messages give equal answers.
"""
