"""Logs of inspect_ai: `.eval` (a zip of one JSON file for each sample, in zstd or deflate) and `.json`.

Of a sample that took several calls (a critique, tools) the text is that of the last call, and its tokens are those of
all calls before scoring. Of a target of several answers the first is the gold.
https://inspect.aisi.org.uk/eval-logs.html"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttc_bench.errors import TtcError
from ttc_bench.interchange.records import Facts, Hole, Record, Row, Source
from ttc_bench.interchange.sources.plain_json import Plain
from ttc_bench.interchange.sources.shapes import divided, mapping, one_line, real, sequence, string, whole
from ttc_bench.problems.rows import Broken

MEMBER = re.compile(r"samples/.+_epoch_\d+\.json", re.DOTALL)
LARGEST = 200 << 20  # bytes of a sample: inspect_ai itself cuts larger ones into several frames of zstd
HEAD = 4096  # bytes of a .json log that have its first keys
CUT = ("max_tokens", "model_length", "length")
VERDICTS = {"C": True, "I": False, "N": False, "true": True, "false": False, "yes": True, "no": False}
ATTACHMENT = "attachment://"


class InspectAI(Source):
    name = "inspect_ai"
    about = "logs of inspect_ai: .eval and .json"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if path.suffix == ".json":
            return head.lstrip()[:1] == b"{" and b'"version"' in head and b'"eval"' in head
        return path.suffix == ".eval" and head.startswith(b"PK")

    def read(self, path: Path) -> Iterator[Row]:
        return _read_json(path) if path.suffix == ".json" else _read_zip(path)

    def facts(self, path: Path) -> Facts:
        header = _header_of_json(path) if path.suffix == ".json" else _header_of_zip(path)
        spec, plan = mapping(header.get("eval")), mapping(header.get("plan"))
        config = {**mapping(spec.get("model_generate_config")), **mapping(plan.get("config"))}
        version, status = mapping(spec.get("packages")).get("inspect_ai"), header.get("status")
        broken_off = f"the log's run did not end well (status: {status}); samples may be missing"
        return Facts(
            model=string(spec.get("model")),
            task=string(spec.get("task")),
            temperature=real(config.get("temperature")),
            top_p=real(config.get("top_p")),
            max_tokens=whole(config.get("max_tokens")),
            tool=f"inspect_ai {version}" if version else "inspect_ai",
            remarks=() if status == "success" else (one_line(broken_off),),
        )


def rows(place: str, sample: Any) -> Iterator[Row]:
    """The rows of a sample of a log: one, or one for each choice where a call asked for several."""
    if (
        not isinstance(sample, dict)
        or not isinstance(sample.get("output"), dict)
        or not sample.keys() >= {"id", "epoch"}
    ):
        yield Broken(place, "not a sample of inspect_ai: expected id, epoch and output")
    elif sample.get("error"):
        yield Hole(place, one_line(mapping(sample["error"]).get("message") or "an error without a message"))
    elif sample.get("invalidation"):
        yield Hole(place, "marked as invalid in the log")
    elif not (choices := [c for c in sequence(sample["output"].get("choices")) if isinstance(c, dict)]):
        limit = mapping(sample.get("limit")).get("type")
        yield Hole(place, f"it ended at its limit ({one_line(limit)}) without output" if limit else "it has no output")
    else:
        yield from _records(place, sample, choices)


def _records(place: str, sample: dict[str, Any], choices: list[dict[str, Any]]) -> Iterator[Record]:
    attached = mapping(sample.get("attachments")) or mapping(mapping(sample.get("transcript")).get("content"))
    several, target, epoch = len(choices) > 1, sample.get("target"), whole(sample.get("epoch"))
    gold = next(iter(sequence(target)), None) if isinstance(target, list) else target
    texts = [_contents(mapping(c.get("message")).get("content"), attached) for c in choices]
    base = Record(
        place,
        "",
        id=str(sample["id"]),
        question=_question(sample, attached),
        gold=_resolved(gold, attached) if isinstance(gold, str) else None,
    )
    tokens = [_Tokens.of(sample)] if not several else _Tokens.of(sample).divided(texts)
    for i, (choice, (text, reasoning), used) in enumerate(zip(choices, texts, tokens, strict=True)):
        stop = choice.get("stop_reason")
        record = replace(
            base,
            place=f"{place}, choice {i + 1}" if several else place,
            text=text,
            reasoning=reasoning,
            length=None if stop in (None, "unknown") else stop in CUT,
            repeat=None if epoch is None else (epoch - 1) * len(choices) + i,
            apportioned=several and used.completion is not None,
            shares_prompt=several,
            **vars(used),
        )
        verdict, answer, signals = _scores(sample) if i == 0 else (None, None, {})  # scorers see the first choice alone
        yield replace(record, recorded=verdict, answer=answer, signals={**_logprob(choice), **signals})


@dataclass(frozen=True)
class _Tokens:
    """Counts as Record has them."""

    prompt: int | None = None
    cached: int | None = None
    completion: int | None = None
    thought: int | None = None

    @classmethod
    def of(cls, sample: dict[str, Any]) -> _Tokens:
        """Of the calls that made the output of a sample; those that a log does not give stay None."""
        generated = [m for m in sequence(sample.get("messages")) if mapping(m).get("source") == "generate"]
        last = mapping(sample["output"].get("usage"))
        usages = _usages_of_calls(sample) if len(generated) > 1 else [last]
        if not usages or not all(whole(u.get("output_tokens")) for u in usages):
            return cls()  # a count of 0 is a server that did not count

        def total(*names: str) -> int | None:
            counts = [n for usage in usages for name in names if (n := whole(usage.get(name))) is not None]
            return sum(counts) if counts else None

        given = total("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
        cached, thought = total("input_tokens_cache_read"), total("reasoning_tokens")
        return cls(given, cached, total("output_tokens"), thought)

    def divided(self, texts: list[tuple[str, str]]) -> list[_Tokens]:
        """Shares of the texts in what one call generated, by length; the first has the prompt."""
        sizes = [len(text) + len(reasoning) for text, reasoning in texts]
        made = divided(self.completion, sizes)
        thought = divided(self.thought, [len(reasoning) for _, reasoning in texts])
        nothing = None if self.prompt is None else 0
        first, others = (self.prompt, self.cached), (nothing, None if self.cached is None else 0)
        given = [first] + [others] * (len(texts) - 1)
        return [_Tokens(*g, m, t) for g, m, t in zip(given, made, thought, strict=True)]


def _usages_of_calls(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """What each call of a sample used, up to the scorers, whose calls are no part of the answer."""
    usages = []
    for event in map(mapping, sequence(sample.get("events"))):
        if event.get("event") == "span_begin" and event.get("type") == "scorers":
            break
        if event.get("event") == "model":
            usages.append(mapping(mapping(event.get("output")).get("usage")))
    return usages


def _scores(sample: dict[str, Any]) -> tuple[bool | None, str | None, dict[str, float]]:
    """The verdict and the answer that the scorers recorded, and all scores that are numbers, by name.

    The verdict is the first that is a letter, a word or a truth value, else the first number that is 0 or 1."""
    scores = mapping(sample.get("scores")) or ({"score": sample["score"]} if sample.get("score") else {})
    verdicts: list[tuple[bool, bool, str | None]] = []  # whether it is a number, the verdict, the answer
    signals = {}
    for name, score in scores.items():
        value, answer = mapping(score).get("value"), string(mapping(score).get("answer"))
        if isinstance(value, bool) or (isinstance(value, str) and value in VERDICTS):
            verdicts.append((False, value if isinstance(value, bool) else VERDICTS[value], answer))
        elif (number := real(value)) is not None:
            signals[name] = number
            if number in (0, 1):
                verdicts.append((True, bool(number), answer))
        elif isinstance(value, dict):
            signals |= {f"{name}.{key}": n for key, part in value.items() if (n := real(part)) is not None}
    _, verdict, answer = min(verdicts, key=lambda v: v[0], default=(False, None, None))
    return verdict, answer, signals


def _logprob(choice: dict[str, Any]) -> dict[str, float]:
    """The mean log-probability of the tokens, where all are given."""
    tokens = sequence(mapping(choice.get("logprobs")).get("content"))
    known = [n for token in tokens if (n := real(mapping(token).get("logprob"))) is not None]
    return {"logprob": math.fsum(known) / len(known)} if known and len(known) == len(tokens) else {}


def _question(sample: dict[str, Any], attached: Mapping[str, Any]) -> str | None:
    """The text that was asked: the last message of the user, and the choices as `multiple_choice` shows them."""
    asked = sample.get("input")
    if isinstance(asked, list):
        users = [m for m in map(mapping, asked) if m.get("role") == "user"]
        asked = users[-1].get("content") if users else None
    text = _contents(asked, attached)[0]
    letters = (f"{chr(ord('A') + i)}) {choice}" for i, choice in enumerate(sequence(sample.get("choices"))))
    return "\n".join([text, "", *letters]).rstrip("\n") or None


def _contents(content: Any, attached: Mapping[str, Any]) -> tuple[str, str]:
    """Text and thinking of a message, whose content is a text or a list of parts; joined as inspect_ai joins them."""
    if not isinstance(content, list):
        return _resolved(content, attached), ""
    texts, thoughts = [], []
    for part in map(mapping, content):
        if part.get("type") == "text":
            texts.append(_resolved(part.get("text"), attached))
        elif part.get("type") == "reasoning":
            shown = part.get("summary") if part.get("redacted") else part.get("reasoning")
            thoughts.append(_resolved(shown, attached))
    return "\n".join(texts), "\n".join(filter(None, thoughts))


def _resolved(text: Any, attached: Mapping[str, Any]) -> str:
    """A text, or the attachment that stands for it where it is long."""
    if not isinstance(text, str):
        return ""
    held = attached.get(text.removeprefix(ATTACHMENT)) if text.startswith(ATTACHMENT) else None
    return string(held) or string(text) or ""


def _read_json(path: Path) -> Iterator[Row]:
    import ijson

    number = 0
    with _json_errors(path, lambda: f"after sample {number}"), path.open("rb") as file:
        for number, sample in enumerate(ijson.items(Plain(file), "samples.item", use_float=True), 1):
            yield from rows(f"sample {number}", sample)
    if not number:
        raise TtcError(f"{path}: no samples in it; expected a log of inspect_ai with samples (log_samples=True)")


def _header_of_json(path: Path) -> dict[str, Any]:
    """What stands before the samples, which is all but them."""
    import ijson

    header: dict[str, Any] = {}
    with _json_errors(path, lambda: "in its header"):
        for name in ("status", "eval", "plan"):
            with path.open("rb") as file:
                header[name] = next(ijson.items(Plain(file), name, use_float=True), None)
    return header


@contextmanager
def _json_errors(path: Path, where: Callable[[], str]) -> Iterator[None]:
    import ijson

    try:
        yield
    except (ijson.JSONError, ValueError, RecursionError) as error:
        raise TtcError(f"{path}, {where()}: not JSON ({one_line(error)}); was the log written to its end?") from None
    except OSError as error:
        raise TtcError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read_zip(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        members = {info.filename: info for info in file.infolist()}  # one that was logged again replaces the first
        samples = [name for name in members if MEMBER.fullmatch(name)]
        if not samples:
            raise TtcError(f"{path}: no samples in it; expected a log of inspect_ai with samples/ID_epoch_N.json")
        for name in samples:
            if members[name].file_size > LARGEST:
                yield Broken(name, f"larger than {LARGEST >> 20} MiB")
                continue
            sample = _member(file, name)
            yield from [sample] if isinstance(sample, Broken) else rows(name, sample)


def _header_of_zip(path: Path) -> dict[str, Any]:
    """header.json, which is written last, or what the journal of a run that broke off says."""
    with _opened(path) as file:
        for name in ("header.json", "_journal/start.json"):
            if name in file.namelist():
                header = _member(file, name)
                if isinstance(header, Broken):
                    raise TtcError(f"{path}, {name}: {header.reason}")
                return {"status": "started", **mapping(header)}
    raise TtcError(f"{path}: neither header.json nor _journal/start.json in it; expected a log of inspect_ai")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The zip, read by a module that knows zstd."""
    if sys.version_info >= (3, 14):
        import zipfile
    else:
        from backports.zstd import zipfile

    try:
        with zipfile.ZipFile(path) as file:
            yield file
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise TtcError(f"{path}: not a whole zip file ({one_line(error)}); copy the log again") from None
    except OSError as error:
        raise TtcError(f"{path}: cannot be read ({error.strerror or error})") from None


def _member(file: Any, name: str) -> Any:
    """The JSON of a member, or Broken. A damaged member raises as many kinds of error as there are ways to compress."""
    try:
        return json.loads(file.read(name))
    except json.JSONDecodeError as error:
        return Broken(name, f"not JSON ({error.msg} at line {error.lineno})")
    except Exception as error:
        return Broken(name, f"cannot be read ({one_line(error) or type(error).__name__})")
