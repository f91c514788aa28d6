"""Jobs at their times: entries → due → a process each, and what they became.

entries.py    which run files have a schedule
kept.py       up to which moment an entry's times were dealt with
starting.py   a job as a process of its own, and how it ended
loop.py       the scheduler
wording.py    what is said of them
formats.py    the same for schedulers that people already have
"""
