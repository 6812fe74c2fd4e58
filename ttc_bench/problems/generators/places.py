"""Things on numbered places under clues, solved by propagation: the engine of ordering puzzles and zebra grids.

A thing's possible places are one integer, bit k for place k. Propagation only rules out what a clue forbids. So when it
leaves one place for each thing, that is the only solution of the clues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Clue = tuple[str, int, int]  # kind, thing, other thing or place

# kind of clue: (possible places of a, of b, all places) -> those that the clue leaves of each
PAIRS: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "same": lambda a, b, full: (a & b, a & b),
    "apart": lambda a, b, full: (a & ~b if _single(b) else a, b & ~a if _single(a) else b),
    "left": lambda a, b, full: (a & ((1 << (b.bit_length() - 1)) - 1), b & ~(((a & -a) << 1) - 1)),
    "directly left": lambda a, b, full: (a & b >> 1, b & a << 1),
    "beside": lambda a, b, full: (a & (b >> 1 | b << 1), b & (a >> 1 | a << 1)),
    "one between": lambda a, b, full: (a & (b >> 2 | b << 2), b & (a >> 2 | a << 2)),
}
# kind of clue: (place, all places) -> those that the clue leaves
ALONE: dict[str, Callable[[int, int], int]] = {
    "at": lambda place, full: 1 << place,
    "not at": lambda place, full: full & ~(1 << place),
    "at an end": lambda place, full: full & (full ^ full >> 1 | 1),
}


def _single(places: int) -> bool:
    return places & (places - 1) == 0


class Places:
    """Groups of n things on n places each, no two of a group on one place. Thing i of group g is g * n + i."""

    def __init__(self, n: int, groups: int = 1) -> None:
        self.n, self.full = n, (1 << n) - 1
        self.possible = [self.full] * (n * groups)  # possible places of each thing
        self.clues: list[Clue] = []
        self.steps: list[tuple[int, int, int]] = []  # clue (-1: no other place or thing is left), thing, its places
        self.used: set[int] = set()  # clues that ruled something out
        self._about: list[list[int]] = [[] for _ in self.possible]

    @property
    def solved(self) -> bool:
        return all(map(_single, self.possible))

    def place(self, thing: int) -> int:
        """The place of a settled thing, 0 the first."""
        return self.possible[thing].bit_length() - 1

    def tells(self, clue: Clue) -> bool:
        """Whether a clue would rule something out."""
        kind, a, b = clue
        if kind in ALONE:
            return self.possible[a] & ~ALONE[kind](b, self.full) != 0
        return PAIRS[kind](self.possible[a], self.possible[b], self.full) != (self.possible[a], self.possible[b])

    def add(self, clue: Clue) -> None:
        """Adds a clue and propagates it."""
        number = len(self.clues)
        self.clues.append(clue)
        self._about[clue[1]].append(number)
        if clue[0] in PAIRS:
            self._about[clue[2]].append(number)
        self._settle([number])

    def _settle(self, waiting: list[int]) -> None:
        while waiting:
            number = waiting.pop()
            if number < 0:
                self._one_each(~number, waiting)
                continue
            kind, a, b = self.clues[number]
            if kind in ALONE:
                self._narrow(a, ALONE[kind](b, self.full), number, waiting)
            else:
                for_a, for_b = PAIRS[kind](self.possible[a], self.possible[b], self.full)
                self._narrow(a, for_a, number, waiting)
                self._narrow(b, for_b, number, waiting)

    def _narrow(self, thing: int, places: int, clue: int, waiting: list[int]) -> None:
        new = self.possible[thing] & places
        if new == self.possible[thing]:
            return
        self.possible[thing] = new
        if clue >= 0:
            self.used.add(clue)
        if _single(new) or (clue >= 0 and new.bit_count() <= 3):  # longer lists make no useful step
            self.steps.append((clue, thing, new))
        waiting += [number for number in self._about[thing] if number not in waiting]
        if (group := ~(thing // self.n)) not in waiting:
            waiting.append(group)

    def _one_each(self, group: int, waiting: list[int]) -> None:
        """Within a group: the place of a settled thing is closed to the others; a place open to one thing only is its
        place."""
        things = range(group * self.n, (group + 1) * self.n)
        once = twice = settled = 0
        for thing in things:
            places = self.possible[thing]
            twice |= once & places
            once |= places
            if _single(places):
                settled |= places
        for thing in things:
            places = self.possible[thing]
            if not _single(places):
                new = places & once & ~twice or places & ~settled
                if new != places:
                    self._narrow(thing, new, -1, waiting)

    def explain(self, order: Sequence[int], names: Sequence[str], where: str) -> list[str]:
        """The conclusions as sentences, which number clues by their position in `order`, a list of clue numbers."""
        out = []
        for clue, thing, places in self.steps:
            if clue >= 0 and clue not in order:
                continue
            listed = " or ".join(str(k + 1) for k in range(self.n) if places >> k & 1)
            why = f"({order.index(clue) + 1})" if clue >= 0 else "What is left"
            out.append(f"{why}: {names[thing]} {where} {listed}.")
        return out


def solution(n: int, groups: int, clues: Sequence[Clue]) -> Places:
    """Propagates all clues. `solved` tells whether they settle everything."""
    places = Places(n, groups)
    for clue in clues:
        places.add(clue)
    return places
