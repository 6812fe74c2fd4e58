"""Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"), in float32.

torch.optim.Muon does its Newton-Schulz steps in bfloat16, which processors without bf16 units emulate, many times
slower than the float32 products here."""

from __future__ import annotations

from collections.abc import Iterable

import torch

STEPS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration


def orthogonal(gradient: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrix to a gradient, roughly: all singular values near 1. Same shape."""
    a, b, c = COEFFICIENTS
    x = gradient / (gradient.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum for matrices; everything else belongs to AdamW."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if not self.state[p]:
                    self.state[p]["velocity"] = torch.zeros_like(p)
                velocity = self.state[p]["velocity"]
                velocity.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(velocity, group["momentum"]))
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
