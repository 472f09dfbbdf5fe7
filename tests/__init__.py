"""Tests of videomac."""
