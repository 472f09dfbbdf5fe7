"""VideoMAC: video masked autoencoders with ConvNets, on mmengine."""

from mmengine.config import utils as _config_utils

from .version import __version__

__all__ = ['__version__']

# So that `_base_ = 'videomac::_base_/default_runtime.py'` works. Named by a module,
# since mmengine finds a module in every kind of installation, but a distribution's
# folder only where its files are copied (not after `pip install -e`).
_config_utils.MODULE2PACKAGE.setdefault('videomac', 'videomac.version')
