"""Small helpers without a concept of the paper."""

from .markdown import markdown_table
from .memory import keep_freed_memory
from .options import CfgOptions, merge_options
from .paths import configs_root, find_config, package_file, tools_root
from .plain_errors import plain_errors
from .shortcuts import expand_shortcuts

__all__ = [
    'CfgOptions',
    'configs_root',
    'expand_shortcuts',
    'find_config',
    'keep_freed_memory',
    'markdown_table',
    'merge_options',
    'package_file',
    'plain_errors',
    'tools_root',
]
