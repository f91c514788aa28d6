"""For whoever writes a policy, an engine, a client or a target: what ours are tested by."""
