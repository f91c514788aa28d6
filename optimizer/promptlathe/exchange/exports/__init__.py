"""A prompt in the form that another tool loads; what it renders there are the bytes that were
scored.

chosen      which prompt: of a run, or of MLflow's registry
weaving     a text with placeholders as another template language writes it
forms       all forms, and what each can hold
plain, promptfoo, prompty, frameworks, programs    the forms
"""

from promptlathe.exchange.exports.chosen import Chosen, chosen
from promptlathe.exchange.exports.forms import FORMS, export
from promptlathe.exchange.exports.written import Written

__all__ = ["FORMS", "Chosen", "Written", "chosen", "export"]
