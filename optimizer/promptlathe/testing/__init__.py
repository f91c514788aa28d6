"""For whoever writes a policy, an engine, a client, a scorer or a target: what ours are tested by.

engines     the suite of an engine
policies    the suite of a policy, on the worlds of `searching`
records     the outcome of a cell that made one call
scripted    an OpenAI-compatible server whose answers and faults a test gives: `ScriptedServer`
"""
