"""Units to events, within one budget: the account, the way of a call, and two engines.

seam        `Context`: the only way to a model
account     what was spent, held and reserved
caller      equal calls, the ledger, the account, the engine, and again if it failed
evaluator   a task of the loop for each unit
engine      the contract of an engine: local (this event loop), ray_engine (worker processes)
"""
