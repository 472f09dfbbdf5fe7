"""Small helpers without a concept of the paper."""

from .paths import configs_root, find_config, package_file, tools_root

__all__ = ['configs_root', 'find_config', 'package_file', 'tools_root']
