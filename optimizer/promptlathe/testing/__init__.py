"""For tests of what is written against promptlathe: a model's service that answers as it is told.

scripted    an OpenAI-compatible server whose answers and faults a test gives
"""

from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

__all__ = ["Arrived", "Reply", "ScriptedServer"]
