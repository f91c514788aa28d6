"""For whoever writes a policy, an engine, a client, a scorer or a target: what ours are tested by."""
