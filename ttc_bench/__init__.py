"""ttc-bench: what does each extra token of thinking buy a language model?

Start reading at core.py, then strategies/exact.py. Everything named here is loaded when it is first used, so that
importing the package costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
_ROOMS = {  # module -> what it gives
    "core": (
        *("Backend", "Candidate", "Change", "Completion", "CurvePoint", "Grader", "Job", "Message", "Outcome"),
        *("Problem", "Prompt", "Request", "Sample", "Score", "Strategy", "Task", "Usage", "Verifier"),
    ),
    "errors": ("BackendError", "NotEnoughSamples", "TaskError", "TtcError"),
    "config": ("Config",),
    "experiment": ("Result", "dry_run", "replay", "run"),
    "backends.scripted": ("ScriptedBackend",),
    "strategies.methods": ("METHODS", "Method"),
}
_HOME = {name: module for module, names in _ROOMS.items() for name in names}
__all__ = sorted(_HOME)

if TYPE_CHECKING:  # the same names once more, for type checkers
    from ttc_bench.backends.scripted import ScriptedBackend as ScriptedBackend
    from ttc_bench.config import Config as Config
    from ttc_bench.core import Backend as Backend
    from ttc_bench.core import Candidate as Candidate
    from ttc_bench.core import Change as Change
    from ttc_bench.core import Completion as Completion
    from ttc_bench.core import CurvePoint as CurvePoint
    from ttc_bench.core import Grader as Grader
    from ttc_bench.core import Job as Job
    from ttc_bench.core import Message as Message
    from ttc_bench.core import Outcome as Outcome
    from ttc_bench.core import Problem as Problem
    from ttc_bench.core import Prompt as Prompt
    from ttc_bench.core import Request as Request
    from ttc_bench.core import Sample as Sample
    from ttc_bench.core import Score as Score
    from ttc_bench.core import Strategy as Strategy
    from ttc_bench.core import Task as Task
    from ttc_bench.core import Usage as Usage
    from ttc_bench.core import Verifier as Verifier
    from ttc_bench.errors import BackendError as BackendError
    from ttc_bench.errors import NotEnoughSamples as NotEnoughSamples
    from ttc_bench.errors import TaskError as TaskError
    from ttc_bench.errors import TtcError as TtcError
    from ttc_bench.experiment import Result as Result
    from ttc_bench.experiment import dry_run as dry_run
    from ttc_bench.experiment import replay as replay
    from ttc_bench.experiment import run as run
    from ttc_bench.strategies.methods import METHODS as METHODS
    from ttc_bench.strategies.methods import Method as Method


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ttc_bench' has no attribute '{name}'")
    return getattr(import_module(f"ttc_bench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
