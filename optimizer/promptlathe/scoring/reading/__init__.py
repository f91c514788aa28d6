"""What a text says: the readers of labels, numbers and JSON.

text ─ reasoning → what is visible ─ spelling → Written ─ final → stretches, the surest first
                        └─ objects → JSON                   └─ labels | numbers → what they say
"""

VERSION = 2
"""Goes up whenever the same answer may be read, or compared, in another way: it is part of the
fingerprint of every built-in scorer, so that scores of two versions are not mixed."""
