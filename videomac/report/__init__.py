"""What happened in training runs, on one page that needs no network."""

from .page import write_report
from .run_record import Evaluation, RunRecord, read_evaluations, read_run_record

__all__ = [
    'Evaluation',
    'RunRecord',
    'read_evaluations',
    'read_run_record',
    'write_report',
]
