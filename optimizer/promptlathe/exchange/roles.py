"""Lines that begin a message in a `.prompty` file."""

import re

ROLE = re.compile(r"\s*#?\s*(system|user|assistant|developer)\s*(\[.*\])?\s*:\s*", re.IGNORECASE)
