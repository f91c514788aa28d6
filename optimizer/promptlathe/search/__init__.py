"""Policies, the race, Optuna's samplers."""

from promptlathe.search.policy import Policy
from promptlathe.search.race import RacePolicy
from promptlathe.search.study import SamplerName, Study, check_sampler

__all__ = ["Policy", "RacePolicy", "SamplerName", "Study", "check_sampler"]
