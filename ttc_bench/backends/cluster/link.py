"""The connection to a Ray cluster: found, joined or started, and left again. Nothing here knows of models."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ttc_bench.errors import TtcError

if TYPE_CHECKING:
    from ttc_bench.backends.cluster.executor import Executor

ANSWER_S = 5.0  # for a port to accept
JOIN_S = 30.0  # for a cluster to say that it is one
OBJECTS = 256 * 2**20  # bytes of shared memory of a local cluster: samples are small, and travel in the reply itself
_ADDRESS = re.compile(r"\[?([\w.:-]+?)\]?:(\d{1,5})")
# Read when Ray is loaded. Nothing is reported to anybody; no call may start a cluster by the way; and Ray's own lines
# on lost nodes stay out of the terminal: the run says in a sentence what was lost.
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_AUTO_CONNECT": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*"}


@dataclass(frozen=True)
class Node:
    """A living machine of the cluster, with all its resources, taken or not."""

    id: str
    name: str  # for people: machines may share a hostname, so a part of the id stands behind it
    cpus: float
    gpus: float


class Holder(Protocol):
    """Whoever holds places of a cluster with workers of its own."""

    def retire(self) -> None:
        """Ends them."""


class Cluster:
    """A Ray cluster by `address`: "local" starts one on this machine for this process, "auto" takes the one that runs
    here or that RAY_ADDRESS names and else starts one, HOST:PORT is that of a running one. Joined at the first use;
    `close` leaves it, and ends one that was started. Raises TtcError, in one line and in a bounded time."""

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("ray") is None:
            raise TtcError("--cluster needs Ray, which is not installed: pip install 'ttc-bench[ray]'")
        if address not in ("auto", "local") and not _ADDRESS.fullmatch(address):
            hint = "; ray:// is not for this: run on a machine of the cluster" if address.startswith("ray://") else ""
            raise TtcError(f"cluster = {address!r}: expected auto, local, or HOST:PORT of a running Ray cluster{hint}")
        self.address = address
        self._joined = self._ours = False
        self.holder: Holder | None = None  # the model whose workers are alive; others wait for their places

    def __str__(self) -> str:
        return f"the Ray cluster at {self.address}" if ":" in self.address else "the local Ray cluster"

    def join(self) -> None:
        """Connects this process, or starts a cluster on this machine. Does nothing where that was done."""
        if self._joined:
            return
        ray = load_ray()
        if ray.is_initialized():  # the caller's program is in a cluster: that one is used, and left alone
            self.address, self._joined = ray.get_runtime_context().gcs_address, True
            return
        address, options = self.address, {}
        if address == "auto":
            address = running() or "local"
        if address == "local":
            options = {"include_dashboard": False, "object_store_memory": OBJECTS}
        elif address != "auto":
            answers(address)
            self.address = address
        with _own_signals(), _one_line(self):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
        if address == "auto":
            self.address = ray.get_runtime_context().gcs_address
        self._joined = self._ours = True

    def nodes(self) -> list[Node]:
        """The machines that live, the driver's among them, in the order of their ids."""
        self.join()
        found = []
        for node in load_ray().nodes():
            if node["Alive"]:
                has = node["Resources"]
                name = f"{node['NodeManagerHostname']}/{node['NodeID'][:6]}"
                found.append(Node(node["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0)))
        return sorted(found, key=lambda node: node.id)

    def free(self, but: Holder | None = None) -> None:
        """Ends the idle workers of a model, except those of `but`, so that their places can be taken."""
        if self.holder is not None and self.holder is not but:
            self.holder.retire()
            self.holder = None

    def executor(self) -> Executor:
        """Other work on the same machines: see executor.Executor."""
        from ttc_bench.backends.cluster.executor import Executor

        return Executor(self)

    def close(self) -> None:
        """Leaves the cluster; every worker ends. One that was started for this process ends too."""
        if self._joined and self._ours:
            with _own_signals():
                load_ray().shutdown()
        self._joined = self._ours = False


def running() -> str | None:
    """What RAY_ADDRESS names; "auto" for a cluster that `ray start` left on this machine and that still answers, which
    Ray then finds, with its token; None without either."""
    named = os.environ.get("RAY_ADDRESS")
    if named and named != "auto":
        if named != "local" and not _ADDRESS.fullmatch(named):
            raise TtcError(f"RAY_ADDRESS is {named!r}: expected HOST:PORT of a running Ray cluster")
        return named
    base = os.environ.get("RAY_TMPDIR") or ("/tmp" if sys.platform.startswith("linux") else tempfile.gettempdir())
    try:
        answers((Path(base) / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip())
    except NeedsToken:
        return "auto"
    except (OSError, ValueError, TtcError):  # a cluster that was killed leaves its note behind
        return None
    return "auto"


class NeedsToken(TtcError):
    """A Ray cluster answers, but not to a stranger."""


def answers(address: str) -> None:
    """Raises TtcError unless a Ray cluster answers at HOST:PORT. Ray itself would wait for minutes."""
    match = _ADDRESS.fullmatch(address)
    advice = "start it with `ray start --head`, or use --cluster local"
    if not match:
        raise TtcError(f"no Ray cluster at {address!r}: expected HOST:PORT")
    try:
        socket.create_connection((match[1], int(match[2])), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise TtcError(f"no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}; {advice}") from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOIN_S, env={**os.environ, **_SETTINGS})
    except subprocess.TimeoutExpired:
        raise TtcError(f"no Ray cluster at {address}: what listens there is not Ray, or hangs; {advice}") from None
    if "AuthenticationError" in done.stderr:
        raise NeedsToken(
            f"the Ray cluster at {address} asks for a token: set RAY_AUTH_MODE=token, and copy ~/.ray/auth_token of its head"
        )
    if done.returncode:
        raise TtcError(f"no Ray cluster at {address} that this Ray can join: {_last_line(done.stderr)}")


def load_ray() -> Any:
    """The ray module, loaded at the first use."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts its own handler in the place of the caller's for SIGTERM; this puts it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _one_line(cluster: Cluster) -> Iterator[None]:
    """What Ray cannot do, as one line."""
    try:
        yield
    except (RuntimeError, ConnectionError, ValueError, OSError, load_ray().exceptions.RayError) as error:
        what = f"cannot join {cluster}" if ":" in cluster.address else "Ray cannot start on this machine"
        raise TtcError(f"{what}: {' '.join(str(error).split())[:300]}") from None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it is not healthy"
