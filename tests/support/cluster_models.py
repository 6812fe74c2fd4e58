"""A scripted model for the workers of a Ray cluster, and a run of the command line that samples it there.

    python cluster_models.py ADDRESS PACE LOG run --model scripted ...

Each sample takes PACE seconds, has a text of at least SIZE characters, and is noted in the file LOG by the worker that
makes it. While a file LOG.hold exists, none is made."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fakes import arithmetic

from ttc_bench.backends import by_name
from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Job, Sample, SpendingLimit, Usage
from ttc_bench.errors import PromptTooLong


class Paced(Backend):
    """Answers by (request, index) alone, at a pace, like a slow model. `name`: "long" finds every prompt too long, and
    "broken" ends the process that samples; "large" runs in a dtype that depends on the machine, unless one is named."""

    def __init__(self, name: str, config: Config) -> None:
        self.model = f"scripted:{name or os.environ.get('SCRIPTED_NAME', '')}"
        self._name, self._device = name, config.device
        self._dtype = os.environ.get("DTYPE", "float32") if config.dtype == "auto" else config.dtype
        self.settled = name != "large" or config.dtype != "auto"
        self.model += f":{self._dtype}" * (name == "large")
        self._pace, self._log = float(os.environ.get("PACE", "0")), os.environ.get("LOG")
        self._size = int(os.environ.get("SIZE", "0"))

    def identity(self) -> dict[str, Any]:
        return {
            "name": self.model,
            "dtype": self._dtype,
            "device": f"{self._device} {os.environ.get('CUDA_VISIBLE_DEVICES')}",
        }

    def _held(self) -> bool:
        return self._log is not None and Path(f"{self._log}.hold").exists()

    def _note(self, line: str) -> None:
        if self._log:
            with Path(self._log).open("a") as log:
                log.write(line)

    def calls(self, jobs: Sequence[Job]) -> int:
        return len(jobs)

    async def check(self, jobs: Sequence[Job]) -> None:
        if self._name == "long":
            raise PromptTooLong(jobs[-1].request.address, 300, 256)

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        if self._name == "broken":
            os._exit(7)
        for job in jobs:
            for index in job.indices:
                if self._pace:
                    await asyncio.sleep(self._pace)
                while self._held():  # noqa: ASYNC110 - it is a file that another process removes
                    await asyncio.sleep(0.05)
                self._note(f"{job.request.address} {index}\n")
                usage = Usage(prompt=9 * (index == job.indices[0]), completion=7)
                text = arithmetic(job.request, index).rjust(self._size, ".")
                yield Sample(job.request, index, Completion(text, "stop", usage, shares_prompt=True))


def register() -> None:
    """Makes `scripted` and `scripted:NAME` models of this process."""
    by_name.BACKENDS["scripted"] = Paced


def connect(address: str, **env: str) -> None:
    """Joins a cluster whose workers know the scripted model, with these environment variables."""
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = ".*"
    import ray

    ray.init(
        address=address,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"worker_process_setup_hook": register, "env_vars": env},
    )


if __name__ == "__main__":
    register()
    connect(sys.argv[1], PACE=sys.argv[2], LOG=sys.argv[3])
    sys.argv[1:] = sys.argv[4:]
    from ttc_bench.cli import main

    main()
