"""What networks cost."""

from .flops import MultiplyAddCounter, MultiplyAdds, multiply_adds

__all__ = ['MultiplyAddCounter', 'MultiplyAdds', 'multiply_adds']
