"""Word squares: words from a given list that read the same across and down. Any square of listed words is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import perm

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

WORDS = """
act add ado age ago aid aim air ale all and ant ape apt arc are ark arm art ash ask ate awe axe bad bag ban bar bat bay
bed bee beg bet bid big bin bit bow box boy bud bug bun bus but buy cab can cap car cat cow cry cub cup cut dad dam day
den dew did die dig dim dip dog dot dry due dug ear eat ebb egg ego elf elk elm end era eve ewe eye fan far fat fed fee
few fig fin fir fit fix fly foe fog for fox fun fur gap gas gel gem get gum gun gut guy hag ham hat hay hen her hex hid
him hip his hit hoe hot how hue hug hut ice icy ill imp ink inn ion ire its ivy jam jar jaw jet job jog joy jug key kid
kin kit lab lad lap law lay led leg let lid lie lip lit log lot low mad man map mat may men met mix mob mud mug nap net
new nod nor not now nut oak oar oat odd ode off oil old one ore our out owe owl own pad pan par pat paw pay pea peg pen
pet pie pig pin pit pod pop pot pub put rag ram ran rat raw ray red rib rid rim rip rob rod rot row rub rug rum run rye
sad sap sat saw say sea see set sew she shy sin sip sir sit six ski sky sly son sow spy sum sun tab tag tan tap tar tax
tea ten the tie tin tip toe ton too top toy try tub two urn use van vat vet vow war was wax way web wed wet who why wig
win wit won wood yes yet you zoo
able ache acid acre aged aide aloe also amen anew apex arch area arid army atom aunt away axis back bake bald ball band
bank bare barn base bath bead beam bean bear beat been beer bell belt bend bent best bird bite blow blue boat body bold
bone book boot bore born both bowl burn bush busy cafe cage cake call calm came camp card care cart case cash cast cave
cell chat chin chip city clay club coal coat code coin cold come cook cool cope copy cord core corn cost crew crop dare
dark data date dawn days dead deal dear deed deep deer deny desk dial diet dirt dish does dome done door down draw drop
drum dual duck dust duty each earn ears ease east easy echo edge edit else emit epic even ever evil exam exit face fact
fade fail fair fall fame farm fast fate fear feed feel feet fell fern file fill film find fine fire firm fish five flag
flat flow folk food foot form fort four free frog fuel full game gate gave gear gift girl give glad goal goat goes gold
golf gone good gown grew grid grow hair half hall hand hard harm hate have hawk head heal heap hear heat heel help herb
herd here hero hide high hill hint hire hold hole home hood hope horn hour huge hunt idea idle inch into iris iron isle
item jazz join joke jump just keen keep kept kick kind king knee knew knot know lace lady lake lamb lamp land lane last
late lead leaf lean left less life lift like limb line lion list live load loan lock lone long look loop lose loss lost
loud love luck made mail main make male mall many mark mask mass mate meal mean meat meet melt menu mild mile milk mind
mine mint miss mode mole mood moon more most move much myth nail name near neat neck need nest news next nice nine node
none noon nose note oats obey odds odor once only open oral oven over pace pack page paid pain pair pale palm park part
pass past path peak pear peel pile pine pink pipe plan play plot plus poem poet pole pond pony pool poor port pose post
pull pure push race rage rail rain rank rare rate read real rear reed rent rest rice rich ride ring rise risk road roar
rock role roof room root rope rose ruin rule safe sail salt same sand save seal seat seed seek seen self send sent shed
ship shoe shop shot show side sign silk sing sink site size skin slip slow snow soap soda sofa soft soil sold sole solo
some song soon sort soul soup span spin spot star stay stem step stir stop such suit sure swan swim tail take tale talk
tall tame tank tape task team tear teen tell tend tent term test text than that them then they thin this tide tidy tile
time tiny tire toad tone tool torn tour town tray tree trip true tube tune turn twin type ugly unit upon urge used user
vary vase vast verb very vest view vine vote wage wait wake walk wall want warm wash wave weak wear weed week well went
west what when whip wide wife wild will wind wine wing wipe wire wise wish with wolf wood word wore work worm yard yarn
year zero zone
"""

SIZES = (
    (3, 4),
    (3, 8),
    (3, 14),
    (4, 6),
    (4, 12),
    (4, 20),
)  # letters a side, words besides those of the square, by level
MAX_ANSWER = 120  # characters; right answers are far shorter


def _squares(words: Sequence[str], rows: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All squares of different words: row k starts with what the rows before it have in column k."""
    size = len(words[0])
    if len(rows) == size:
        yield rows
        return
    start = "".join(row[len(rows)] for row in rows)
    for word in words:
        if word.startswith(start) and word not in rows:
            yield from _squares(words, (*rows, word))


@lru_cache(maxsize=8)
def _lexicon(size: int) -> tuple[list[str], dict[str, list[str]]]:
    """The words of this length, and for each start those that begin with it."""
    words = sorted({word for word in WORDS.split() if len(word) == size})
    starts: dict[str, list[str]] = {}
    for word in words:
        for end in range(size):
            starts.setdefault(word[:end], []).append(word)
    return words, starts


def _draw(rng: Rng, size: int) -> tuple[str, ...]:
    """A random square, built row by row; starts again when no word fits."""
    _, starts = _lexicon(size)
    rows: tuple[str, ...] = ()
    while len(rows) < size:
        fitting = starts.get("".join(row[len(rows)] for row in rows), [])
        word = rng.choice(fitting) if fitting else ""
        rows = (*rows, word) if word and word not in rows else ()
    return rows


def make(rng: Rng, difficulty: int) -> Problem:
    """Levels 1 to 3: three words of three letters among 7, 11, 17; 4 to 6: four of four letters among 10, 16, 24."""
    size, more = SIZES[difficulty - 1]
    rows = _draw(rng, size)
    words = list(rows)
    while len(words) < size + more:
        word = rng.choice(_lexicon(size)[0])
        if word not in words:
            words.append(word)
    steps = [f"Row 1: {rows[0]}."]
    for k in range(1, size):
        start = "".join(row[k] for row in rows[:k])
        steps.append(f"Row {k + 1} starts with {'-'.join(start)}: {rows[k]}.")
    return Problem(
        id="",
        question=f"Choose {size} different words from this list: {', '.join(rng.shuffled(words))}. Write them in such "
        f"an order, one below the other, that the square of letters reads the same across and down: row 1 is column 1, "
        f"row 2 is column 2, and so on. Answer with the words from top to bottom, a space between them.",
        answer=None,
        facts={"size": size, "words": tuple(sorted(words))},
        solution=" ".join([*steps, f"The answer is {' '.join(rows)}."]),
    )


def check(answer: str, problem: Problem) -> bool:
    """Whether the answer is a square of different words of the list; case and what is between words do not count."""
    if len(answer) > MAX_ANSWER:
        return False
    rows = [word for word in re.split(r"[\s,;/|.\-]+", answer.lower()) if word]
    size, words = problem.facts["size"], problem.facts["words"]
    if len(rows) != size or len(set(rows)) != size or not all(word in words for word in rows):
        return False
    return all(rows[i][k] == rows[k][i] for i in range(size) for k in range(i))


def solve(problem: Problem) -> str:
    """The first square that the list allows."""
    return " ".join(next(_squares(problem.facts["words"])))


def guess(problem: Problem) -> float:
    """The share of right ones among all ordered choices of different words from the list."""
    words = problem.facts["words"]
    return sum(1 for _ in _squares(words)) / perm(len(words), problem.facts["size"])


WORD_SQUARES = Family(
    name="word-squares",
    levels=len(SIZES),
    meaning="1 to 3: three letters a side, 7, 11, 17 words to choose from; 4 to 6: four letters, 10, 16, 24 words",
    make=make,
    solve=solve,
    guess=guess,
    check=check,
)
