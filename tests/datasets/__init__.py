"""Tests of data sets, sources and transforms."""
