"""Flags and exit codes. No logic.

Exit codes: 0 done; 2 an error that the user can fix, reported in one line; 3 done, but some samples failed (`tasks
--solve`: some problems were not solved); 130 interrupted.
"""

from ttc_bench.cli import comparing, others, running, spending, stored  # noqa: F401  (each adds its commands)
from ttc_bench.cli.front import app, main

__all__ = ["app", "main"]
