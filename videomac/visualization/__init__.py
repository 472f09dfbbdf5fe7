"""Pictures of what a model does and of how its training went."""

from .curves import plot_losses, read_scalars
from .reconstruction import reconstruction_sheet, reconstruction_sheets, save_image

__all__ = [
    'plot_losses',
    'read_scalars',
    'reconstruction_sheet',
    'reconstruction_sheets',
    'save_image',
]
