"""Writes the results folder: run.json, tables, pictures, report.html; and exports."""
