"""From the names given with --model to the backends that answer. Making one is cheap: weights load later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ttc_bench.config import Config
from ttc_bench.core import Backend
from ttc_bench.errors import TtcError, nearest

BUILTIN = Path(__file__).parents[1] / "models"
DEFAULT_BUILTIN = "medium"


def make_backends(config: Config, given: Backend | Mapping[str, Backend] | None) -> dict[str, Backend]:
    """What answers for each of config.model, in that order: `given` by the caller, or made. All of them before
    anything is sampled, so that a wrong name costs nothing. Raises TtcError."""
    if given is not None and not isinstance(given, Mapping):
        given = {config.model[0]: given}
    if given is not None and set(given) != set(config.model):
        raise TtcError(f"backends are given for {', '.join(given)}, expected one for each of {', '.join(config.model)}")
    if given is None and config.max_cost is not None and not any(m.startswith("openai:") for m in config.model):
        raise TtcError("--max-cost is for models that cost money; leave it out for a model on this machine")
    backends = {name: given[name] if given else make_backend(name, config) for name in config.model}
    names: dict[str, str] = {}
    for name, backend in backends.items():
        if names.setdefault(backend.model, name) != name:
            raise TtcError(f"{names[backend.model]} and {name} are the same model ({backend.model}); name it once")
    return backends


def make_backend(model: str, config: Config) -> Backend:
    """The backend that a model's name means by its prefix. Raises TtcError for an unknown one."""
    kind, _, name = model.partition(":")
    if kind not in BACKENDS:
        prefixes = [f"{k}:" if k != "builtin" else k for k in BACKENDS]
        raise TtcError(nearest(f"{kind}:", prefixes, "model prefix") + "; for example builtin, or hf:HUB-ID-OR-PATH")
    return BACKENDS[kind](name, config)


def open_model(config: Config, name: str) -> Backend:
    """A judge by its name: as --model names it, with @URL for a server of its own. Raises TtcError."""
    model, at, url = name.partition("@")
    if not model:
        raise TtcError("verifier judge: names no model; give judge:MODEL or judge:MODEL@URL, such as judge:builtin")
    if config.max_cost is not None and model.startswith("openai:"):
        raise TtcError(f"--max-cost does not watch the calls of judge {model}; leave one of the two out")
    base_url = url if at else config.base_url
    return make_backend(model, replace(config, base_url=base_url, max_cost=None))


def _hf(name: str, config: Config) -> Backend:
    from ttc_bench.backends.local.hf import HFBackend
    from ttc_bench.backends.local.replicas import Replicas
    from ttc_bench.backends.local.weights import pick_devices

    if not name:
        raise TtcError("model hf: names no model; give hf:HUB-ID, hf:FOLDER or hf:FILE.gguf")
    first, *others = pick_devices(config.device)
    backend = HFBackend(name, device=first, dtype=config.dtype, max_rows=config.rows)
    dtype = backend.identity()["dtype"]  # that of the first device for all: they make samples of one model
    copies = [HFBackend(name, device=device, dtype=dtype, max_rows=config.rows) for device in others]
    return Replicas([backend, *copies]) if copies else backend


def _builtin(size: str, config: Config) -> Backend:
    sizes = sorted(path.name for path in BUILTIN.iterdir() if (path / "generation_config.json").exists())
    size = size or DEFAULT_BUILTIN
    if size not in sizes:
        raise TtcError(nearest(size, sizes, "built-in model"))
    return _hf(str(BUILTIN / size), config)


def _openai(name: str, config: Config) -> Backend:
    from ttc_bench.backends.api.openai import OpenAIBackend

    if not name:
        raise TtcError("model openai: names no model; give openai:NAME, with --base-url for a server of your own")
    backend = OpenAIBackend(
        name,
        base_url=config.base_url,
        concurrency=config.concurrency,
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
    )
    if config.max_cost is not None and config.tariff(backend.model) is None:
        raise TtcError(f"--max-cost needs the price of {backend.model}, and none is known; give it with --prices FILE")
    return backend


# To add a backend: a file in backends/ and a line here.
BACKENDS: dict[str, Callable[[str, Config], Backend]] = {"builtin": _builtin, "hf": _hf, "openai": _openai}
