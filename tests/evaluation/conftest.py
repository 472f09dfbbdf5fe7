"""Log records for the tests of this folder."""

from tests.datasets.conftest import messages

__all__ = ['messages']
