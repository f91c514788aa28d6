"""Policies: the race behind Optuna's samplers, successive halving."""

from promptlathe.search.choose import PolicyName, check_policy, make_policy
from promptlathe.search.halving import HalvingPolicy
from promptlathe.search.policy import Policy
from promptlathe.search.race import RacePolicy
from promptlathe.search.study import SamplerName, Study

__all__ = [
    "HalvingPolicy",
    "Policy",
    "PolicyName",
    "RacePolicy",
    "SamplerName",
    "Study",
    "check_policy",
    "make_policy",
]
