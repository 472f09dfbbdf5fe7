"""What networks cost."""

from .flops import MultiplyAddCounter, MultiplyAdds, dense_multiply_adds, multiply_adds
from .report import Cost, costs, costs_by_module, count_parameters

__all__ = [
    'Cost',
    'MultiplyAddCounter',
    'MultiplyAdds',
    'costs',
    'costs_by_module',
    'count_parameters',
    'dense_multiply_adds',
    'multiply_adds',
]
