"""A function over many chunks of work, in several processes of this machine."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from typing import TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
IDLE_S = 30  # after which a process that has nothing to do ends


def processes(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], count: int | None = None
) -> Iterator[Result]:
    """The function of every chunk, in order, computed by `count` processes (default: one for each processor that this
    one may use), which are kept for the next call. At most two chunks for each are under way, and no more are read.
    What another process cannot be given (something that holds a lock), or has died over, is computed here. Raises what
    the function raises."""
    import loky

    count = count or loky.cpu_count()
    under_way: deque[tuple[Chunk, Future[Result]]] = deque()

    def start(chunk: Chunk) -> None:
        pool = loky.get_reusable_executor(count, timeout=IDLE_S)  # a new one where a process of the last was killed
        under_way.append((chunk, pool.submit(function, chunk)))

    def first() -> Result:
        chunk, future = under_way.popleft()
        try:
            return future.result()
        except (pickle.PicklingError, BrokenExecutor):
            return function(chunk)

    try:
        for chunk in chunks:
            start(chunk)
            if len(under_way) > 2 * count:
                yield first()
        while under_way:
            yield first()
    finally:
        for _, future in under_way:
            future.cancel()
