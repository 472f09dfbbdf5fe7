"""What networks cost, and what it costs to train them."""

from ..utils.passes import iterations_per_pass
from .flops import MultiplyAddCounter, MultiplyAdds, dense_multiply_adds, multiply_adds
from .report import Cost, costs, costs_by_module, count_parameters
from .scaling import (
    Estimate,
    Machine,
    Plan,
    Workload,
    all_reduce_bytes,
    estimate,
    unseen_samples,
)
from .workload import kept_bytes, measure_workload

__all__ = [
    'Cost',
    'Estimate',
    'Machine',
    'MultiplyAddCounter',
    'MultiplyAdds',
    'Plan',
    'Workload',
    'all_reduce_bytes',
    'costs',
    'costs_by_module',
    'count_parameters',
    'dense_multiply_adds',
    'estimate',
    'iterations_per_pass',
    'kept_bytes',
    'measure_workload',
    'multiply_adds',
    'unseen_samples',
]
