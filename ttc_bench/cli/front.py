"""The command itself: what every subcommand ends in, and how a run is interrupted."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from ttc_bench.errors import Interrupted, TtcError, printable

if TYPE_CHECKING:
    from ttc_bench.sampling.pool import Stop

INTERRUPTED = 130
GRACE_S = 15.0  # for calls that are paid for
T = TypeVar("T")
app = typer.Typer(
    name="ttc-bench",
    help="What does each extra token of thinking buy a language model? Accuracy against test-time compute.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` and returns what it returns, past asyncio.run, which makes a repr of the result: that of a whole
    analysis takes seconds."""
    results: list[T] = []

    async def main() -> None:
        results.append(await work)

    asyncio.run(main())
    return results[0]


def interruptible(work: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Runs `work`. Ctrl-C or SIGTERM: no further call starts, those under way are waited for a little, as they are paid
    for. A second one, or one while nothing is under way, ends at once. Raises Interrupted."""

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def asked(number: int, frame: object) -> None:
            if stop.wanted or not stop.request():
                loop.call_soon_threadsafe(task.cancel)
                raise KeyboardInterrupt  # also out of what keeps the loop busy, such as drawing
            print(
                f"\nEnding: calls under way are waited for, {GRACE_S:.0f} s at most; again ends at once.",
                file=sys.stderr,
            )
            loop.call_soon_threadsafe(lambda: loop.call_later(GRACE_S, task.cancel))

        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as for a shell's background jobs
                signal.signal(number, asked)
        return await task

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return finish(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """The console script: every error that a user can fix is one line and exit code 2."""
    try:
        code: Any = app(standalone_mode=False)
    except Interrupted:
        code = INTERRUPTED
    except TtcError as error:
        code = _fail(str(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own complaints about flags have it
            raise
        code = _fail(error.format_message())
    if code == INTERRUPTED:  # typer turns Ctrl-C into this
        command = shlex.join(["ttc-bench", *sys.argv[1:]])
        print(f"\nInterrupted; every finished sample is kept. To go on:\n  {command}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print(f"ttc-bench: {printable(' '.join(message.split()))}", file=sys.stderr)
    return 2
