"""The scorers that need no model, by idea.

compared    the answer against the row's target: exact_match, contains, numeric, token_f1, regex
objects     JSON: json_match, json_schema
measured    the answer's own size: length, readability
phrases     what must and must not stand in it: required, banned
language    which language it is in
overlap     near to a reference text: rouge, chrf, similarity
citations   which contexts an answer cites; grounded: whether they have what it says
code        code that passes tests, in a process of its own (sandbox, sandbox_main)
"""
