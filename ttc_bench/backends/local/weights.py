"""Finds the weights that a name stands for, pins them by digest or commit without loading them, and loads them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.errors import BackendError

# Loading redirects the stderr of the whole process, and several models may load at once.
_LOADING = threading.Lock()
DEVICES = Path("/dev")
PACKED = "packed"
NOT_PACKED = (
    "transformers packs the quantised matrices of a few architectures only, where the kernels package has a kernel for "
    "the device; leave --dtype packed out"
)
LARGE = 100_000_000  # bytes of weights above which matrix products dominate, so that fast bfloat16 pays off
_MODEL_SUFFIXES = {
    ".safetensors",
    ".bin",
    ".json",
    ".jinja",
    ".model",
    ".txt",
    ".tiktoken",
}  # files that affect a model's output
# A template that prints today's date would change the prompts from day to day, so it prints this date.
FIXED_DATE = "26 Jul 2024"
DATE_MACRO = "{%- macro strftime_now(format) -%}" + FIXED_DATE + "{%- endmacro -%}"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Weights:
    """A model's files. `source` is what from_pretrained takes; `pin` is "sha256:..." of local files or a hub commit."""

    kind: str  # "directory", "gguf" or "hub"
    name: str
    source: str
    pin: str
    gguf: str | None = None  # file name inside `source`
    size: int = 0  # bytes of dense 16-bit weights, roughly; 0: unknown


def resolve(name: str, flag: str = "--model hf:") -> Weights:
    """The weights that `name` (directory, GGUF file or hub id) means. Reads files, loads nothing. `flag`: the
    option that error messages put before a path.

    Raises a fatal BackendError for a path that is missing or holds no model, and for a hub that cannot be reached."""
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise BackendError(
                f"{name} is not a .gguf file; name a model directory, a .gguf file or a hub id", fatal=True
            )
        return _gguf_weights(path)
    if path.is_dir():
        if (path / "config.json").is_file():
            return _directory(path)
        packed = sorted(path.glob("*.gguf"))
        if len(packed) == 1:
            return _gguf_weights(packed[0])
        reason = f"{len(packed)} .gguf files, name one" if packed else "neither config.json nor a .gguf file in it"
        raise BackendError(f"{name} cannot be loaded as a model: {reason}", fatal=True)
    if not _HUB_ID.fullmatch(name) or name.endswith(".gguf") or name[0] in "./~":
        raise BackendError(f"no model at {name}: expected a model directory, a .gguf file or a hub id", fatal=True)
    return _hub(name, flag)


def _gguf_weights(path: Path) -> Weights:
    path = path.resolve()
    size = 2 * path.stat().st_size  # packed weights take 4 to 8 bits: precise enough to tell small from large
    return Weights("gguf", path.name, str(path.parent), f"sha256:{_files_digest([path])}", gguf=path.name, size=size)


def _directory(path: Path) -> Weights:
    path = path.resolve()
    files = sorted(file for file in path.iterdir() if file.suffix in _MODEL_SUFFIXES and file.is_file())
    size = sum(file.stat().st_size for file in files if file.suffix in {".safetensors", ".bin"})
    if not size:
        raise BackendError(
            f"{path} holds no weights: expected .safetensors or .bin files beside config.json", fatal=True
        )
    return Weights("directory", path.name, str(path), f"sha256:{_files_digest(files)}", size=size)


def _hub(name: str, flag: str) -> Weights:
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    cached = huggingface_hub.try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        folder = Path(cached).parent  # snapshots/COMMIT
        size = sum(file.stat().st_size for pattern in ("*.safetensors", "*.bin") for file in folder.glob(pattern))
        parts = [
            part
            for index in folder.glob("*.index.json")
            for part in json.loads(index.read_text())["weight_map"].values()
        ]
        if size and all((folder / part).exists() for part in parts):
            return Weights("hub", name, str(folder), folder.name, size=size)
    local = f"use a local copy with {flag}/path/to/model"
    try:
        info = huggingface_hub.HfApi().model_info(name, timeout=10, files_metadata=True)
    except RepositoryNotFoundError as error:
        raise BackendError(
            f"no model '{name}' on the Hugging Face hub, or no access to it; {local}", fatal=True
        ) from error
    except Exception as error:  # the hub's HTTP client has changed its exceptions more than once
        raise BackendError(f"the Hugging Face hub cannot be reached for '{name}'; {local}", fatal=True) from error
    size = sum(f.size or 0 for f in info.siblings or [] if f.rfilename.endswith((".safetensors", ".bin")))
    return Weights("hub", name, name, str(info.sha), size=size)


def _files_digest(files: list[Path]) -> str:
    """sha256 over the names and contents of files. Digests of single files are cached by path, size and modification
    time, so that a rerun does not read gigabytes again."""
    memory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ttc-bench" / "digests.json"
    try:
        remembered: dict[str, Any] = json.loads(memory.read_text())
    except (OSError, ValueError):
        remembered = {}
    total, changed = hashlib.sha256(), False
    for file in files:
        stat = file.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = remembered.get(str(file))
        if not (isinstance(entry, list) and entry[:2] == stamp):
            with file.open("rb") as opened:
                entry = [*stamp, hashlib.file_digest(opened, "sha256").hexdigest()]
            remembered[str(file)], changed = entry, True
        total.update(f"{file.name}\0{entry[2]}\n".encode())
    if changed:
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            partial = memory.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(remembered))
            partial.replace(memory)
        except OSError:
            pass  # without a writable cache the next run computes the digest again
    return total.hexdigest()


def pick_devices(device: str) -> tuple[str, ...]:
    """Names of torch devices, at least one. "auto": every CUDA GPU, or the CPU if there is none; "cuda": every GPU;
    several names are separated by commas. Raises a fatal BackendError for a name that torch does not know, for a GPU
    that does not exist, and for one that is named twice."""
    if device == "cpu":
        return (device,)
    if device == "auto" and "torch" not in sys.modules and not _may_have_gpu():
        return ("cpu",)  # asking torch takes seconds, which a run from stored samples need not spend
    import torch

    names = tuple(part.strip() for part in device.split(","))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if names == ("auto",):
        names = ("cuda" if gpus else "cpu",)
    if names == ("cuda",) and gpus > 1:
        names = tuple(f"cuda:{i}" for i in range(gpus))
    valid = ["auto", "cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    gpu_indices: list[int] = []
    for name in names:
        try:
            parsed = torch.device(name)
        except RuntimeError as error:
            raise BackendError(f"unknown device '{name}'; known: {', '.join(valid)}", fatal=True) from error
        if parsed.type == "mps" and not torch.backends.mps.is_available():
            raise BackendError(f"device {name} is not on this machine; known: {', '.join(valid)}", fatal=True)
        if parsed.type == "cuda":
            gpu_indices.append(parsed.index or 0)
            if gpu_indices[-1] >= gpus:
                raise BackendError(f"device {name} is not on this machine; known: {', '.join(valid)}", fatal=True)
    if len(set(gpu_indices)) < len(gpu_indices):
        raise BackendError(f"device '{device}' names a GPU twice; it takes one copy", fatal=True)
    return names


def _may_have_gpu() -> bool:
    """Whether torch might find a GPU: on Linux, only where a driver has made its device (NVIDIA, Jetson, WSL, AMD)."""
    names = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd")
    return not sys.platform.startswith("linux") or any(any(DEVICES.glob(name)) for name in names)


def pick_dtype(dtype: str, device: str, size: int) -> str:
    """The name of the dtype to load. "auto": bfloat16 if the device is fast at it and the weights have at least LARGE
    bytes (or an unknown size), else float32. "packed": the weights of a GGUF file stay quantised."""
    if dtype != "auto":
        if dtype not in {"float32", "bfloat16", "float16", PACKED}:
            raise BackendError(f"unknown dtype '{dtype}'; known: auto, float32, bfloat16, float16, packed", fatal=True)
        return dtype
    if settled(dtype, size):
        return "float32"
    import torch

    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities()
        fast = any(features.get(feature) for feature in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if fast else "float32"


def settled(dtype: str, size: int) -> bool:
    """Whether `pick_dtype` gives the same on every device."""
    return dtype != "auto" or 0 < size < LARGE


def useful_rows(parameters: int | None, device: str) -> int:
    """The number of rows beyond which a larger batch is hardly faster on a device of that kind."""
    return 512 if parameters and parameters < 20e6 else 256 if device.startswith("cuda") else 64


def free_memory(device: Any) -> int:
    """Bytes that can still be allocated on a torch device."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = 4 << 30
    try:
        with open("/proc/meminfo") as lines:
            free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")  # a container's own limit
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        free = max(0, min(free, limit - used))
    except (OSError, StopIteration, ValueError):  # another system, or no limit ("max")
        pass
    return free


def load_tokenizer(weights: Weights) -> Any:
    """The tokenizer alone. Raises a fatal BackendError in one line where loading fails."""
    import transformers

    with _LOADING, _quiet(weights):
        return transformers.AutoTokenizer.from_pretrained(weights.source, **_where(weights))


def load(weights: Weights, dtype: str, device: str, loader: Callable[..., Any] | None = None) -> tuple[Any, Any]:
    """(model in eval mode on `device`, tokenizer). `loader`: from_pretrained of another kind of model than a
    language model. Raises a fatal BackendError in one line where loading fails."""
    import torch
    import transformers

    packed = dtype == PACKED
    options: dict[str, Any] = {"dtype": torch.float32 if packed else getattr(torch, dtype)}
    if weights.gguf:
        options["quantization_config"] = transformers.GgufConfig(dequantize=not packed)
    tokenizer = load_tokenizer(weights)
    try:
        # One lock for all of it: two threads that redirect stderr at once might never restore it.
        with _LOADING, _quiet(weights):
            if not loader:
                config = (
                    None if weights.gguf else transformers.AutoConfig.from_pretrained(weights.source, **_where(weights))
                )
                encoder_decoder = getattr(config, "is_encoder_decoder", False)
                kind = transformers.AutoModelForSeq2SeqLM if encoder_decoder else transformers.AutoModelForCausalLM
                loader = kind.from_pretrained
            model = loader(weights.source, **_where(weights), **options)
            if packed and not getattr(getattr(model, "hf_quantizer", None), "packed_modules", None):
                raise RuntimeError(NOT_PACKED)
            return model.to(device).eval(), tokenizer
    except torch.OutOfMemoryError as error:
        raise BackendError(f"{weights.name} in {dtype} does not fit the memory of {device}", fatal=True) from error


def _where(weights: Weights) -> dict[str, Any]:
    where: dict[str, Any] = {"gguf_file": weights.gguf} if weights.gguf else {}
    if weights.source == weights.name:  # not in the local cache: from_pretrained downloads it
        where["revision"] = weights.pin
    return where


@contextlib.contextmanager
def _quiet(weights: Weights) -> Iterator[None]:
    """Suppresses the output of loaders, and turns their errors into a fatal BackendError of one line."""
    import torch
    import transformers

    noise = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        # Not every loader can switch off its progress bar.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # loaders raise many kinds of exceptions
        line = " ".join(str(error).split())[:300]
        raise BackendError(f"{weights.name} cannot be loaded: {line}", fatal=True) from error
    finally:
        transformers.utils.logging.set_verbosity(noise)
