"""YAML or Python to a frozen search space; checks, encoding, rendering."""

from promptlathe.space.bound import BoundSpace
from promptlathe.space.checks import check_data
from promptlathe.space.components import Choice, Demos, Float, Int, Level, Order, Recruited, Text
from promptlathe.space.parameters import Categorical, Integer, Parameter, Real
from promptlathe.space.size import Size
from promptlathe.space.space import SearchSpace, fields_of
from promptlathe.space.template import fill, is_inert, placeholders, render

__all__ = [
    "BoundSpace",
    "Categorical",
    "Choice",
    "Demos",
    "Float",
    "Int",
    "Integer",
    "Level",
    "Order",
    "Parameter",
    "Real",
    "Recruited",
    "SearchSpace",
    "Size",
    "Text",
    "check_data",
    "fields_of",
    "fill",
    "is_inert",
    "placeholders",
    "render",
]
