"""Pictures of what a model does and of how its training went."""

from .affinity import agreement
from .affinity_sheet import affinity_sheet
from .curves import plot_losses, plot_runs, read_scalars
from .mask_reach import MaskReach, mask_reach
from .propagation import PropagationPainter
from .reconstruction import reconstruction_sheet, reconstruction_sheets, save_image
from .run_log import read_run

__all__ = [
    'MaskReach',
    'PropagationPainter',
    'affinity_sheet',
    'agreement',
    'mask_reach',
    'plot_losses',
    'plot_runs',
    'read_run',
    'read_scalars',
    'reconstruction_sheet',
    'reconstruction_sheets',
    'save_image',
]
