"""Samples of inspect_ai's logs.

Of a sample that took several calls (a critique, tools) the text is that of the last call, and its tokens are those of
all calls before scoring. Of a target of several answers the first is the gold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ttc_bench.interchange.records import Hole, Record, Row
from ttc_bench.interchange.sources.shapes import mapping, one_line, real, sequence, string, whole
from ttc_bench.interchange.sources.values import CHECKER, ESTIMATED, parts
from ttc_bench.problems.rows import Broken

CUT = ("max_tokens", "model_length", "length")
VERDICTS = {"C": True, "I": False, "N": False, "true": True, "false": False, "yes": True, "no": False}
ATTACHMENT = "attachment://"


def rows(place: str, sample: Any) -> Iterator[Row]:
    """The rows of a sample of a log: one, or one for each choice where a call asked for several."""
    named = string(sample.get("id")) if isinstance(sample, dict) else None
    if (
        not isinstance(sample, dict)
        or not isinstance(sample.get("output"), dict)
        or not sample.keys() >= {"id", "epoch"}
    ):
        yield Broken(place, "not a sample of inspect_ai: expected id, epoch and output")
    elif sample.get("error"):
        yield Hole(place, one_line(mapping(sample["error"]).get("message") or "an error without a message"), named)
    elif sample.get("invalidation"):
        yield Hole(place, "marked as invalid in the log", named)
    elif not (choices := [c for c in sequence(sample["output"].get("choices")) if isinstance(c, dict)]):
        limit = mapping(sample.get("limit")).get("type")
        ended = f"it ended at its limit ({one_line(limit)}) without output"
        yield Hole(place, ended if limit else "it has no output", named)
    else:
        yield from _records(place, sample, choices)


def _records(place: str, sample: dict[str, Any], choices: list[dict[str, Any]]) -> Iterator[Record]:
    attached = mapping(sample.get("attachments")) or mapping(mapping(sample.get("transcript")).get("content"))
    several, target, epoch = len(choices) > 1, sample.get("target"), whole(sample.get("epoch"))
    gold = next(iter(target), None) if isinstance(target, list) else target
    metadata = mapping(sample.get("metadata"))
    ours = mapping(metadata.get("ttc_bench"))
    texts = [_contents(mapping(c.get("message")).get("content"), attached) for c in choices]
    base = Record(
        place,
        "",
        id=str(sample["id"]),
        question=_question(sample, attached),
        gold=_resolved(gold, attached) or None,
        difficulty=real(metadata.get("difficulty")),
        shares_prompt=several or ours.get("shares_prompt") is True,
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
            apportioned=used.completion is not None and (several or ours.get("tokens_from") in ESTIMATED),
            **vars(used),
        )
        verdict, answer, scores = _scores(sample) if i == 0 else (None, None, {})  # scorers see the first choice alone
        own = {name: scores.pop(name) for name in list(scores) if name != CHECKER} if ours else {}  # they saw no gold
        record = replace(record, recorded=verdict, answer=answer, signals={**_logprob(choice), **own}, judged=scores)
        yield record


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
        ours = mapping(mapping(sample.get("metadata")).get("ttc_bench"))  # of a log that ttc-bench wrote
        if not usages or not all(whole(u.get("output_tokens")) for u in usages):
            return cls()  # a count of 0 is a server that did not count

        def total(*names: str) -> int | None:
            counts = [n for usage in usages for name in names if (n := whole(usage.get(name))) is not None]
            return sum(counts) if counts else None

        given = total("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
        given = given or (0 if given == 0 and ours.get("shares_prompt") is True else None)
        cached, thought = total("input_tokens_cache_read"), total("reasoning_tokens")
        return cls(given, cached, total("output_tokens"), thought)

    def divided(self, texts: list[tuple[str, str]]) -> list[_Tokens]:
        """Shares of the texts in what one call generated, by length; the first has the prompt."""
        sizes = [len(text) + len(reasoning) for text, reasoning in texts]
        made = _parts(self.completion, sizes)
        thought = _parts(self.thought, [len(reasoning) for _, reasoning in texts])
        nothing = None if self.prompt is None else 0
        first, others = (self.prompt, self.cached), (nothing, None if self.cached is None else 0)
        given = [first] + [others] * (len(texts) - 1)
        return [_Tokens(*g, m, t) for g, m, t in zip(given, made, thought, strict=True)]


def _parts(total: int | None, lengths: list[int]) -> list[int] | list[None]:
    return [None] * len(lengths) if total is None else parts(total, lengths)


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
    """The verdict and the answer that the scorers recorded, and all other scores that are numbers, by name.

    The verdict is the first that is a letter, a word or a truth value, else the first number that is 0 or 1."""
    scores = mapping(sample.get("scores")) or ({"score": sample["score"]} if sample.get("score") else {})
    verdicts: list[tuple[bool, str, bool, str | None]] = []  # whether it is a number, its name, the verdict, the answer
    signals = {}
    for name, score in scores.items():
        value, answer = mapping(score).get("value"), string(mapping(score).get("answer"))
        if isinstance(value, bool) or (isinstance(value, str) and value in VERDICTS):
            verdicts.append((False, name, value if isinstance(value, bool) else VERDICTS[value], answer))
        elif (number := real(value)) is not None:
            signals[name] = number
            if number in (0, 1):
                verdicts.append((True, name, bool(number), answer))
        elif isinstance(value, dict):
            signals |= {f"{name}.{key}": n for key, part in value.items() if (n := real(part)) is not None}
    _, judge, verdict, answer = min(verdicts, key=lambda v: v[0], default=(False, "", None, None))
    signals.pop(judge, None)
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
