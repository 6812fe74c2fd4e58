"""Curve points with a story that charts and reports can be tried on."""

from __future__ import annotations

from collections.abc import Sequence

from ttc_bench.core import CurvePoint

GAINS = {"self-consistency": 0.055, "best-of-n (logprob)": 0.018, "best-of-n (self-certainty)": 0.035}


def story(
    task: str = "gsm8k",
    model: str = "Qwen/Qwen2.5-Coder-0.5B",
    *,
    base: float = 0.42,
    tokens: float = 131.0,
    ks: Sequence[int] = (1, 2, 4, 8, 16),
    gains: dict[str, float] = GAINS,
    prompts: Sequence[str] = ("cot",),
    parameters: int | None = 494_000_000,
) -> list[CurvePoint]:
    """direct at the bottom left, cot above it, voting and best-of-n climbing to the right, pass@k above them all."""

    def point(name: str, prompt: str, k: int, accuracy: float, spent: float, front: bool = False) -> CurvePoint:
        accuracy = min(accuracy, 1.0)
        method, _, verifier = name.removesuffix(")").partition(" (")
        return CurvePoint(
            task=task,
            model=model,
            method=method,
            verifier=verifier,
            prompt=prompt,
            k=k,
            accuracy=accuracy,
            low=max(0.0, accuracy - 0.08),
            high=min(1.0, accuracy + 0.08),
            tokens=spent,
            total_tokens=spent + 96,
            dollars=(spent * 2 + 96 * 0.5) / 1e6,
            flops=2 * parameters * (spent + 96) if parameters else None,
            parameters=parameters,
            problems=100,
            samples=1 if prompt == "direct" else max(ks),
            bound=method == "pass@k",
            pareto=front,
            truncated=0.031 if prompt != "direct" else 0.0,
            unextracted=0.042,
        )

    points = [point("direct", "direct", 1, base / 4, 5.2, True)]
    for i, prompt in enumerate(prompts):
        points.append(point(prompt, prompt, 1, base + 0.05 * i, tokens * (1 - 0.2 * i), True))
        for k in ks:
            for method, gain in gains.items():
                grown = base + 0.05 * i + gain * (k.bit_length() - 1)
                points.append(point(method, prompt, k, grown, tokens * (1 - 0.2 * i) * k, method == "self-consistency"))
            points.append(point("pass@k", prompt, k, base + 0.1 * (k.bit_length() - 1), tokens * (1 - 0.2 * i) * k))
    return points
