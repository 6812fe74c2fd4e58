"""Graded samples as columns: all that analysis needs of the samples of one request, but their texts.

A million samples are a gigabyte of text, which is read once; what is left is about 150 bytes a sample. Columns are kept
beside the samples (sampling/grades.py), as the bytes of an Arrow record batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ttc_bench.core import PROMPT_UNKNOWN, Completion, Grader, Problem
from ttc_bench.grading.classes import equal_pairs, stand_ins

Array = np.ndarray[Any, np.dtype[Any]]
COUNTS = ("prompt", "cached", "completion", "reasoning")  # of Usage
FLAGS = ("length", "end_known", "estimated", "tokens_known", "prompt_known", "shares_prompt")
PLAIN = ("index", "answer", "rung", *COUNTS, *FLAGS, "twin")  # columns of numbers
CONTENT = 32  # bytes of a content address


@dataclass(frozen=True, eq=False)
class Columns:
    """The samples of one request, graded. Arrays are [sample], in the order of the index, where nothing else is
    said."""

    index: Array
    answer: Array  # place in `answers`; -1: none could be read
    rung: Array  # place in `rungs`
    prompt: Array  # tokens, as in Usage
    cached: Array
    completion: Array
    reasoning: Array
    length: Array  # bool: cut at the token limit
    end_known: Array  # bool: whether `length` says anything
    estimated: Array  # bool: the tokens were judged by the length of the text
    tokens_known: Array  # bool: whether the counts of generated tokens say anything
    prompt_known: Array  # bool: and those of prompt tokens
    shares_prompt: Array  # bool
    twin: Array  # a number that samples of equal text and reasoning share (64 bits of a hash)
    content: Array  # [sample, 32] bytes: content_address of question and text, by which stored scores are found
    signals: Mapping[str, Array]  # NaN: not recorded
    answers: tuple[str, ...]  # distinct
    right: Array  # [answer] bool
    equal: tuple[tuple[int, int], ...]  # pairs of `answers` that are the same
    rungs: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def votes(self) -> Array:
        """[sample]: the place in `answers` of the one that stands for all that are equal to it; -1 for none. Classes
        are of these samples alone: an answer that only others gave joins nothing."""
        given = np.zeros(len(self.answers) + 1, dtype=bool)
        given[self.answer] = True
        pairs = [(a, b) for a, b in self.equal if given[a] and given[b]]
        if not pairs:
            return self.answer
        return np.array([*stand_ins(self.answers, pairs), -1], dtype=np.int64)[self.answer]

    @cached_property
    def correct(self) -> Array:
        """[sample] bool."""
        return np.append(self.right, False)[self.answer]

    @cached_property
    def distinct(self) -> int:
        """Different texts among the samples."""
        return len(np.unique(self.twin))

    def only(self, kept: Array) -> Columns:
        """The samples at these places (a mask or places)."""
        arrays = {name: getattr(self, name)[kept] for name in (*PLAIN, "content")}
        signals = {name: values[kept] for name, values in self.signals.items()}
        return Columns(
            **arrays, signals=signals, answers=self.answers, right=self.right, equal=self.equal, rungs=self.rungs
        )

    def unlike(self, completions: Mapping[int, Completion]) -> dict[int, Completion]:
        """Those of the completions, by index, that are not among these samples, or are other ones there."""
        own = dict(
            zip(self.index.tolist(), zip(self.twin.tolist(), self.completion.tolist(), strict=True), strict=True)
        )
        return {i: c for i, c in completions.items() if own.get(i) != (_twin(c), c.usage.completion)}

    def pack(self) -> bytes:
        """As bytes: a digest, and an Arrow stream with one record batch."""
        import pyarrow as pa

        arrays = {name: pa.array(getattr(self, name)) for name in PLAIN}
        arrays["content"] = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(CONTENT), len(self), [None, pa.py_buffer(self.content.tobytes())]
        )
        arrays |= {f"signal {name}": pa.array(values) for name, values in self.signals.items()}
        facts = {
            "answers": self.answers,
            "right": [bool(right) for right in self.right],
            "equal": self.equal,
            "rungs": self.rungs,
        }
        batch = pa.RecordBatch.from_pydict(arrays, metadata={"facts": json.dumps(facts)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
            stream.write_batch(batch)
        packed = bytes(sink.getvalue())
        return _digest(packed) + packed

    @staticmethod
    def unpack(packed: bytes) -> Columns:
        """The columns that `pack` made bytes of. Raises ValueError for anything else."""
        import pyarrow as pa

        try:
            if _digest(packed[8:]) != packed[:8]:
                raise ValueError("damaged")
            with pa.ipc.open_stream(pa.py_buffer(packed[8:])) as stream:  # bytes alone: a text would name a file
                batch = stream.read_next_batch()
            batch.validate(full=True)
            facts = json.loads(batch.schema.metadata[b"facts"])
            arrays = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in PLAIN}
            content = np.frombuffer(batch.column("content").buffers()[1], np.uint8)[: CONTENT * len(batch)]
            signals = {
                name.removeprefix("signal "): batch.column(name).to_numpy(zero_copy_only=False)
                for name in batch.schema.names
                if name.startswith("signal ")
            }
            whole = Columns(
                **arrays,
                content=content.reshape(len(batch), CONTENT),
                signals=signals,
                answers=tuple(facts["answers"]),
                right=np.array(facts["right"], dtype=bool),
                equal=tuple((int(a), int(b)) for a, b in facts["equal"]),
                rungs=tuple(facts["rungs"]),
            )
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise ValueError(f"no columns ({error})") from None
        places = (whole.answer.max(initial=-1), whole.rung.max(initial=-1), max(map(max, whole.equal), default=-1))
        if not (places[0] < len(whole.answers) == len(whole.right) > places[2] and places[1] < len(whole.rungs)):
            raise ValueError("no columns (answers out of range)")
        return whole


def content_address(question: str, text: str) -> bytes:
    """sha256 of what a verifier sees of a sample: the question and the text of the answer."""
    return hashlib.sha256(json.dumps({"question": question, "text": text}, sort_keys=True).encode()).digest()


def graded(
    grader: Grader, problem: Problem, completions: Mapping[int, Completion], earlier: Columns | None = None
) -> Columns:
    """The columns of these completions, by index, added to earlier ones of the same request: an index that is in both
    is taken anew. Grades `completions` alone, and compares their answers with all others."""
    if earlier is not None and not completions:
        return earlier
    if earlier is not None:
        earlier = earlier.only(~np.isin(earlier.index, list(completions)))
    answers = list(earlier.answers) if earlier is not None else []
    rungs = list(earlier.rungs) if earlier is not None else []
    known = len(answers)
    place = {answer: at for at, answer in enumerate(answers)}
    rows: list[tuple[int, ...]] = []
    for index, c in completions.items():
        extraction = grader.extract(c.text)
        if extraction.rung not in rungs:
            rungs.append(extraction.rung)
        answer = -1 if extraction.answer is None else place.setdefault(extraction.answer, len(place))
        u = c.usage
        rows.append(
            (
                *(index, answer, rungs.index(extraction.rung), u.prompt, u.cached, u.completion, u.reasoning),
                *(c.stop_reason == "length", c.stop_reason != "unknown", u.source in ("estimate", "guess")),
                *(u.source != "unknown", u.source not in PROMPT_UNKNOWN, c.shares_prompt, _twin(c)),
            )
        )
    answers = list(place)
    right = [grader.correct(answer, problem) for answer in answers[known:]]
    pairs = equal_pairs(answers, grader, known)
    plain = np.array(rows, dtype=np.int64).reshape(-1, len(PLAIN))
    arrays = {name: plain[:, i].astype(bool if name in FLAGS else np.int64) for i, name in enumerate(PLAIN)}
    addresses = b"".join(content_address(problem.question, c.text) for c in completions.values())
    arrays["content"] = np.frombuffer(addresses, np.uint8).reshape(-1, CONTENT)
    signals = _signals([c.signals for c in completions.values()])
    before = np.zeros(0, dtype=bool)
    if earlier is not None:
        names = {*signals, *earlier.signals}
        signals = {n: np.concatenate([_column(earlier.signals, n, earlier), _column(signals, n, rows)]) for n in names}
        arrays = {name: np.concatenate([getattr(earlier, name), values]) for name, values in arrays.items()}
        pairs, before = [*earlier.equal, *pairs], earlier.right
    return Columns(
        **arrays,
        signals=signals,
        answers=tuple(answers),
        right=np.concatenate([before, np.array(right, dtype=bool)]),
        equal=tuple(pairs),
        rungs=tuple(rungs),
    ).only(np.argsort(arrays["index"], kind="stable"))


def _digest(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=8).digest()


def _twin(c: Completion) -> int:
    digest = hashlib.blake2b(f"{len(c.text)} {c.text}{c.reasoning}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _signals(recorded: Sequence[Mapping[str, float]]) -> dict[str, Array]:
    names = dict.fromkeys(name for signals in recorded for name in signals)
    return {name: np.array([signals.get(name, np.nan) for signals in recorded], dtype=float) for name in names}


def _column(signals: Mapping[str, Array], name: str, rows: Sequence[Any] | Columns) -> Array:
    """A signal of these rows, which may not have recorded it."""
    return signals[name] if name in signals else np.full(len(rows), np.nan)
