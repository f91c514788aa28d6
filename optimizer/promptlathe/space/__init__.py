"""YAML or Python to a frozen search space; checks, encoding, rendering."""

from promptlathe.space.bound import BoundSpace
from promptlathe.space.caching import caching_notes, differs
from promptlathe.space.components import Choice, Demos, Float, Int, Level, Order, Recruited, Text
from promptlathe.space.conversation import transcript
from promptlathe.space.corpus import Corpus
from promptlathe.space.data_checks import (
    check_conversations,
    check_data,
    check_images,
    single_braced,
)
from promptlathe.space.fills import with_sources
from promptlathe.space.joined import JoinedSpace, join
from promptlathe.space.parameters import Categorical, Integer, Parameter, Real
from promptlathe.space.passage_checks import check_passages
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.rendering import fields_of, render, request_of
from promptlathe.space.size import Size
from promptlathe.space.space import SearchSpace
from promptlathe.space.steps import LoadedSteps, Step, Steps, load_steps
from promptlathe.space.template import fill_declared, is_inert, not_placeholder, placeholders
from promptlathe.space.tools import Tool, keyed, output_of, shown_tools, step_outputs

__all__ = [
    "BoundSpace",
    "Categorical",
    "Choice",
    "Contexts",
    "Corpus",
    "Demos",
    "Float",
    "Int",
    "Integer",
    "JoinedSpace",
    "Level",
    "LoadedSteps",
    "Order",
    "Parameter",
    "Real",
    "Recruited",
    "Retrieve",
    "SearchSpace",
    "Size",
    "Step",
    "Steps",
    "Text",
    "Tool",
    "caching_notes",
    "check_conversations",
    "check_data",
    "check_images",
    "check_passages",
    "differs",
    "fields_of",
    "fill_declared",
    "is_inert",
    "join",
    "keyed",
    "load_steps",
    "not_placeholder",
    "output_of",
    "placeholders",
    "render",
    "request_of",
    "shown_tools",
    "single_braced",
    "step_outputs",
    "transcript",
    "with_sources",
]
