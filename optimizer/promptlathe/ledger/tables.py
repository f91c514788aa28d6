"""The tables, and the statements that are run for every outcome.

`answers`     one row for each distinct call ever answered in the workspace
`runs`        each run: the terms of its scores, what it knew when it began, what decides its
              course, when it had its result, and its resolved run file
`told`        a run's events in the order in which they were told; of a request to the rewriter
              `candidate` is the operator, `example` the content, `repeat` the number. `limit`: the
              unit was dropped at this limit of the budget. `after`: how many events had been told
              when the unit was begun
`candidates`  the levels of the candidates in them
`stops`       where each stage of a run's search ended, and those of its decision (DECISION, and
              below)
`results`     each finished run's result, whole and in short
`locks`       the job that works on a prompt now (locks.py)
`looks`       each look of a watch at a champion: its moment, and as JSON what was seen
`drifts`      since when a model answers otherwise, and when that was seen
`placements`  in which split of an objective a row was, from when on; `division`: the splits' terms
`openings`    each look at test rows to decide between two prompts, written before the first answer
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Double,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
)

DECISION = -1
"""The stage of `stops` that stands for the final comparison; one below for what it asks again."""
metadata = MetaData()
answers = Table(
    "answers",
    metadata,
    Column("key", String(16), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("role", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("latency", Float, nullable=False),
    Column("finish_reason", String(40)),
    Column("tool_calls", JSON),
    Column("cached_tokens", Integer),
    Column("cache_write_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("likely", JSON),
    Column("at", DateTime(timezone=True), nullable=False),
)
told = Table(
    "told",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("candidate", String(16), nullable=False),
    Column("example", String(40), nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("value", Float),
    Column("failure", String(20)),
    Column("limit", String(20)),
    Column("cached", Boolean, nullable=False),
    Column("after", Integer),
)
stops = Table(
    "stops",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("told", Integer, nullable=False),
    Column("limit", String(20), nullable=False),
)
runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", String(32), nullable=False, unique=True),
    Column("objective", String(16), nullable=False, index=True),
    Column("model", String(200), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("parameters", String(16), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("earlier", Text, nullable=False),
    Column("course", String(16), index=True),
    Column("ended", DateTime(timezone=True)),
    Column("file", Text),
)
candidates = Table(
    "candidates",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("candidate", String(16), primary_key=True),
    Column("levels", Text, nullable=False),
)
results = Table(
    "results",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("mlflow", String(40), index=True),
    Column("experiment", String(500), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("summary", Text, nullable=False),
    Column("content", LargeBinary(2**30), nullable=False),
)
locks = Table(
    "locks",
    metadata,
    Column("prompt", String(200), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("machine", String(200), nullable=False),
    Column("process", Integer, nullable=False),
    Column("born", Double, nullable=False),
    Column("since", String(40), nullable=False),
    Column("beat", Double, nullable=False),
)
looks = Table(
    "looks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String(16), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("content", Text, nullable=False),
)
drifts = Table(
    "drifts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("model", String(200), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
ANSWER_COLUMNS = (
    "text",
    "input_tokens",
    "output_tokens",
    "latency",
    "finish_reason",
    "tool_calls",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "likely",
)
placements = Table(
    "placements",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("objective", String(200), nullable=False, index=True),
    Column("division", String(16), nullable=False),
    Column("row", String(40), nullable=False),
    Column("input", String(16), nullable=False),
    Column("place", String(10)),
    Column("at", DateTime(timezone=True), nullable=False),
)
openings = Table(
    "openings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("objective", String(200), nullable=False, index=True),
    Column("split", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("rows", Text, nullable=False),
    Column("baseline", String(16), nullable=False),
    Column("challenger", String(16), nullable=False),
    Column("level", Float, nullable=False),
    Column("run", String(32), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("promoted", Boolean, nullable=False),
    UniqueConstraint("objective", "split", "number"),
)
OF_RUNS = (told, stops, candidates, results, runs)
"""What is kept of a run."""
# Made once: SQLAlchemy takes longer to build and compare statements than SQLite to run them.
FIND = select(*(answers.c[name] for name in ("key", *ANSWER_COLUMNS))).where(
    answers.c.key.in_(bindparam("keys", expanding=True))
)
TELL = insert(told)
OUTCOMES = (
    select(
        told.c.candidate,
        told.c.example,
        told.c.value,
        candidates.c.levels,
        runs.c.model,
        runs.c.endpoint,
        runs.c.parameters,
        runs.c.at,
    )
    .join_from(
        told,
        candidates,
        (told.c.run == candidates.c.run) & (told.c.candidate == candidates.c.candidate),
    )
    .join(runs, told.c.run == runs.c.run)
    .where(
        told.c.run == bindparam("of"),
        told.c.seq < bindparam("until"),
        told.c.value.is_not(None),
        told.c.repeat == 0,
    )
    .order_by(told.c.seq.desc())
)
