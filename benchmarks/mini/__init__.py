"""The mini-benchmark: short trainings on few videos, scored by label propagation."""
