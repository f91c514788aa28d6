"""Prompts to and from other tools.

exports    a prompt of a run, or of MLflow's registry, in the form that another tool loads
"""
