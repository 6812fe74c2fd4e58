"""Stored samples to numbers: grades, curves, intervals, costs. Samples nothing."""
