"""Temporary."""

from __future__ import annotations
from collections.abc import Sequence
from typing import Any
import numpy as np
from ttc_bench.core import Candidate


class Candidates(Sequence[Candidate]):
    def __init__(self, codes: Any, names: Any, tokens: Any, scores: Any) -> None:
        self.codes, self.names, self.tokens, self.scores = codes, names, tokens, scores

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, i):  # type: ignore
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        if i >= len(self.codes):
            raise IndexError
        c = int(self.codes[i])
        s = float(self.scores[i])
        return Candidate(None if c < 0 else self.names[c], int(self.tokens[i]), None if np.isnan(s) else s)
