"""Draws figures from computed points."""
