"""Verifiers: scores of samples without the gold."""
