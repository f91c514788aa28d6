"""For whoever writes a policy, engine, client, scorer or target: what ours are tested by."""
