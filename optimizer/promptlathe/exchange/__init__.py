"""Prompts to and from other tools.

exports    a prompt of a run, or of MLflow's registry, in the form that another tool loads
imports    a prompt, and tests, of another tool as space, objective and run file
"""
