"""Makes the backend that each --model name stands for. Making one is cheap: weights load later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ttc_bench.backends.cluster.fleet import Fleet
from ttc_bench.backends.cluster.link import Cluster
from ttc_bench.config import Config
from ttc_bench.core import Backend
from ttc_bench.errors import TtcError, nearest

BUILTIN_MODELS = Path(__file__).parents[1] / "models"
DEFAULT_SIZE = "medium"


def make_backends(
    config: Config, custom: Backend | Mapping[str, Backend] | None, cluster: Cluster | None = None
) -> dict[str, Backend]:
    """A backend for each name in config.model, in that order: those of the caller (`custom`), or new ones, whose copies
    work on the machines of `cluster` if there is one. They are made before anything is sampled, so that a wrong name
    costs nothing. Raises TtcError."""
    if custom is not None and cluster is not None:
        raise TtcError("a backend of your own runs in this process; leave cluster out of the configuration")
    if custom is not None and not isinstance(custom, Mapping):
        custom = {config.model[0]: custom}
    if custom is not None and set(custom) != set(config.model):
        raise TtcError(
            f"backends are given for {', '.join(custom)}, expected one for each of {', '.join(config.model)}"
        )
    if custom is None and config.max_cost is not None and not any(m.startswith("openai:") for m in config.model):
        raise TtcError("--max-cost is for models that cost money; leave it out for a model on this machine")
    backends = {name: custom[name] if custom else make_backend(name, config, cluster) for name in config.model}
    names: dict[str, str] = {}
    for name, backend in backends.items():
        if names.setdefault(backend.model, name) != name:
            raise TtcError(f"{names[backend.model]} and {name} are the same model ({backend.model}); name it once")
    return backends


def make_backend(model: str, config: Config, cluster: Cluster | None = None) -> Backend:
    """The backend that the prefix of a model's name selects, on the machines of `cluster` if there is one. Raises
    TtcError for an unknown prefix."""
    kind, _, name = model.partition(":")
    if kind not in BACKENDS:
        prefixes = [f"{k}:" if k != "builtin" else k for k in BACKENDS]
        raise TtcError(nearest(f"{kind}:", prefixes, "model prefix") + "; for example builtin, or hf:HUB-ID-OR-PATH")
    if cluster is None:
        return BACKENDS[kind](name, config)
    if kind == "openai":
        raise TtcError(
            f"--cluster is for models that run on its machines, and {model} is asked over the network; leave it out, and "
            "give several servers with --base-url A,B"
        )
    path = Path(name).expanduser()
    there = f"{kind}:{path.resolve()}" if kind == "hf" and path.exists() else model  # workers have another folder
    return Fleet(cluster, there, config, lambda here: BACKENDS[kind](name, here))


def open_cluster(config: Config) -> Cluster | None:
    """The cluster of a run with --cluster, not yet joined. Raises TtcError if there cannot be one."""
    return Cluster(config.cluster) if config.cluster is not None else None


def open_model(config: Config, name: str) -> Backend:
    """The backend of a judge: a name as for --model, with @URL if it has its own server. Raises TtcError."""
    model, at, url = name.partition("@")
    if not model:
        raise TtcError("verifier judge: names no model; give judge:MODEL or judge:MODEL@URL, such as judge:builtin")
    if config.max_cost is not None and model.startswith("openai:"):
        raise TtcError(f"--max-cost does not watch the calls of judge {model}; leave one of the two out")
    base_url = url if at else config.base_url
    return make_backend(model, replace(config, base_url=base_url, max_cost=None))


def token_counter(name: str) -> Callable[[str], int]:
    """Counts the tokens of a text with a model's tokenizer: tokenizer.json, a folder or a hub id. Raises TtcError."""
    from ttc_bench.backends.local.token_counter import counter

    return counter(name)


def _hf(name: str, config: Config) -> Backend:
    from ttc_bench.backends.local.hf import HFBackend
    from ttc_bench.backends.local.replicas import Replicas
    from ttc_bench.backends.local.weights import pick_devices

    if not name:
        raise TtcError("model hf: names no model; give hf:HUB-ID, hf:FOLDER or hf:FILE.gguf")
    first, *other_devices = pick_devices(config.device)
    backend = HFBackend(name, device=first, dtype=config.dtype, max_rows=config.rows)
    dtype = backend.identity()["dtype"]  # every copy has the dtype of the first, so that all sample one model
    copies = [HFBackend(name, device=device, dtype=dtype, max_rows=config.rows) for device in other_devices]
    return Replicas([backend, *copies]) if copies else backend


def _builtin(size: str, config: Config) -> Backend:
    sizes = sorted(path.name for path in BUILTIN_MODELS.iterdir() if (path / "generation_config.json").exists())
    size = size or DEFAULT_SIZE
    if size not in sizes:
        raise TtcError(nearest(size, sizes, "built-in model"))
    return _hf(str(BUILTIN_MODELS / size), config)


def _openai(name: str, config: Config) -> Backend:
    from ttc_bench.backends.api.openai import OpenAIBackend
    from ttc_bench.backends.spread import Spread

    if not name:
        raise TtcError("model openai: names no model; give openai:NAME, with --base-url for a server of your own")
    urls = [url.strip() for url in config.base_url.split(",")] if config.base_url is not None else [None]
    if len(urls) > 1 and not all(urls):
        raise TtcError(
            f"base_url = {config.base_url!r}: an address is empty; expected URL,URL,... with one comma between"
        )
    servers = [
        OpenAIBackend(
            name,
            base_url=url,
            concurrency=config.concurrency,
            timeout_s=config.timeout,
            requests_per_minute=config.requests_per_minute,
            tokens_per_minute=config.tokens_per_minute,
            alone=len(urls) == 1,
        )
        for url in urls
    ]
    first = servers[0]
    if config.max_cost is not None and config.tariff(first.model) is None:
        raise TtcError(f"--max-cost needs the price of {first.model}, and none is known; give it with --prices FILE")
    members: dict[str, Backend] = {}
    for server in servers:
        server.model = first.model  # a sample is asked for, stored and priced alike, whichever server makes it
        if server.base_url in members:
            raise TtcError(f"base_url names {server.base_url} twice: name each server once")
        members[server.base_url] = server
    return Spread(members) if len(servers) > 1 else first


# To add a backend: a file in backends/ and a line here.
BACKENDS: dict[str, Callable[[str, Config], Backend]] = {"builtin": _builtin, "hf": _hf, "openai": _openai}
