"""For whoever writes a policy, an engine, a client, a scorer or a target: what ours are tested by.

scripted    an OpenAI-compatible server whose answers and faults a test gives: `ScriptedServer`
"""
