"""promptfoo's configurations.

config       the whole: YAML, and what it says beside prompts and tests
files        what `file://` names
prompts      texts and chats
providers    the model
tests        rows, with what is asserted about each
assertions   what is asserted, as scorers
"""

from promptlathe.exchange.imports.promptfoo.config import read_promptfoo

__all__ = ["read_promptfoo"]
