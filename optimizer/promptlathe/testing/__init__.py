"""For whoever writes a policy, an engine, a client, a scorer or a target: what ours are tested by.

policies      the suite of a policy, on the worlds of `searching`
engines       the suite of an engine
clients       the suite of a client
http_clients  and of one over HTTP
scorers       the suite of a scorer
targets       the suite of a target
contexts      a context that keeps what was asked, and answers as a test says: `ScriptedContext`
records       the outcome of a cell that made one call
scripted      an OpenAI-compatible server whose answers and faults a test gives: `ScriptedServer`
batches       its files and batches
artist        what it draws, and answers about pictures: the shapes that a prompt names
"""
