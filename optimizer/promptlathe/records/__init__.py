"""The frozen records that travel between the parts. No imports of ours.

Example ─┐
Candidate ─→ Cell ─→ Request ─→ Call ─→ Answer | Failure ─→ Trace ─→ Outcome ─→ Estimate
Rewrite ───────────→ Request ─→ Call ─→ Answer | Failure ─→ Rewritten
"""

from promptlathe.records.calls import (
    Answer,
    Call,
    Failure,
    FailureReason,
    PromptFailure,
    Sent,
    ServiceFailure,
)
from promptlathe.records.outcomes import (
    Dropped,
    Event,
    Outcome,
    Rewritten,
    Score,
    Trace,
)
from promptlathe.records.prompts import (
    PROMPT,
    Candidate,
    Content,
    Image,
    Message,
    Passage,
    Prompt,
)
from promptlathe.records.standings import (
    LIMITS,
    Budget,
    Estimate,
    Standing,
)
from promptlathe.records.units import (
    Cell,
    Example,
    Request,
    Rewrite,
    Unit,
)
from promptlathe.records.values import (
    DRAWING,
    Api,
    FinalistName,
    Json,
    Key,
    Role,
    Scalar,
    Split,
    Value,
    content_hash,
    in_short,
    total,
)

__all__ = [
    "DRAWING",
    "LIMITS",
    "PROMPT",
    "Answer",
    "Api",
    "Budget",
    "Call",
    "Candidate",
    "Cell",
    "Content",
    "Dropped",
    "Estimate",
    "Event",
    "Example",
    "Failure",
    "FailureReason",
    "FinalistName",
    "Image",
    "Json",
    "Key",
    "Message",
    "Outcome",
    "Passage",
    "Prompt",
    "PromptFailure",
    "Request",
    "Rewrite",
    "Rewritten",
    "Role",
    "Scalar",
    "Score",
    "Sent",
    "ServiceFailure",
    "Split",
    "Standing",
    "Trace",
    "Unit",
    "Value",
    "content_hash",
    "in_short",
    "total",
]
