"""Small helpers without a concept of the paper."""

from .config_class import config_class
from .markdown import markdown_table
from .memory import keep_freed_memory
from .options import CfgOptions, merge_options
from .paths import CONFIG_SUFFIXES, configs_root, find_config, package_file, tools_root
from .plain_errors import plain_errors
from .read_config import read_config
from .shortcuts import expand_shortcuts
from .unset_hooks import drop_unset_hooks

__all__ = [
    'CONFIG_SUFFIXES',
    'CfgOptions',
    'config_class',
    'configs_root',
    'drop_unset_hooks',
    'expand_shortcuts',
    'find_config',
    'keep_freed_memory',
    'markdown_table',
    'merge_options',
    'package_file',
    'plain_errors',
    'read_config',
    'tools_root',
]
