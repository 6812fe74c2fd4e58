"""A run from start to end, and again from its stored samples: tasks and prompts -> requests -> pools -> grades ->
curves -> files."""

from ttc_bench.experiment.again import audit, replay, report
from ttc_bench.experiment.deciding import cascades, compare, plan_spending
from ttc_bench.experiment.given import load_tasks
from ttc_bench.experiment.result import Result
from ttc_bench.experiment.running import dry_run, opened, run, sample

__all__ = [
    "Result",
    "audit",
    "cascades",
    "compare",
    "dry_run",
    "load_tasks",
    "opened",
    "plan_spending",
    "replay",
    "report",
    "run",
    "sample",
]
