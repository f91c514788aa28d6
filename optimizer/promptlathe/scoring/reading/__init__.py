"""What a text says: one way of comparing spellings, and the readers of labels, numbers and JSON.

text ─ reasoning → what is visible ─ normalise → Written ─ final → stretches, best first
                                                     └─ labels | numbers → what they say
"""

VERSION = 2
"""Goes up whenever the same answer may be read, or compared, in another way: it is part of the
fingerprint of every built-in scorer, so that scores of two versions are not mixed."""
