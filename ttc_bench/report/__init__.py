"""What a results folder holds: run.json, tables, report.html, exports."""
