"""Files of samples -> a results folder, as if a run had made them: nothing is sampled, nothing half imported stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ttc_bench.analysis.grading import grade
from ttc_bench.backends.by_name import open_model, token_counter
from ttc_bench.config import Config
from ttc_bench.core import Problem, Request, Sample, Score, Task, Usage
from ttc_bench.errors import TtcError, counted
from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.completions import Count, completion_of
from ttc_bench.interchange.folder import whole
from ttc_bench.interchange.golds import golds_of, likely_grader
from ttc_bench.interchange.inputs import digest, of_one_model
from ttc_bench.interchange.joining import Joiner, OfFile, OfTask, Unfit
from ttc_bench.interchange.outcome import Imported
from ttc_bench.interchange.recorded import FILE as RECORDED
from ttc_bench.interchange.recorded import RecordedWriter
from ttc_bench.interchange.records import Facts, Hole, Record, Source
from ttc_bench.interchange.wanted import Import, config_of
from ttc_bench.problems import tasks
from ttc_bench.problems.rows import Broken
from ttc_bench.prompts import PROMPTS
from ttc_bench.report import manifest
from ttc_bench.sampling.plan import plan
from ttc_bench.sampling.pool import SILENT, Watch
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import menu
from ttc_bench.verifiers.menu import RECORDED as RECORDED_SIGNALS
from ttc_bench.verifiers.stored import Setting

ID = "import:"  # with the digest of the files: the identity of a model whose samples were imported
STORE = "samples.sqlite"
DOUBT = 0.05  # share of samples whose id and gold answer contradict each other, above which no id is believed
COVERED = 0.9  # least share of the samples that have a score by which best-of-n chooses unasked


def import_samples(wanted: Import, watch: Watch = SILENT) -> Imported:
    """Makes results folder OUT/NAME of the samples in the files: the store, run.json, what the files recorded beside
    the texts, and the task where it comes from the files.

    Raises TtcError, and leaves no trace, where a file cannot be read, a row is broken (unless they are to be skipped),
    no sample fits the task, or the folder belongs to something else."""
    count = token_counter(wanted.tokenizer) if wanted.tokenizer else None
    wanted, sources, facts = of_one_model(wanted)
    paths = wanted.paths
    identity = ID + digest(paths)
    grader = wanted.grader
    if wanted.task is None and grader is None:
        grader = likely_grader(gold for s, path in zip(sources, paths, strict=True) for gold in golds_of(s.read(path)))
    folder = Path(wanted.out) / (wanted.name or f"imported-{wanted.title}")
    with (
        whole(folder, identity) as part,
        closing(Store(part / STORE)) as store,
        RecordedWriter(part / RECORDED) as recorded,
    ):
        taken = _Taking(wanted, grader, identity, facts, count, store, recorded)
        for source, (path, prompt) in zip(sources, wanted.inputs, strict=True):
            taken.read(source, path, prompt)
        imported = taken.finish(part, folder, watch)
        _keep_scores(folder / STORE, store)
    return imported


@dataclass
class _Pool:
    """The samples of one problem under one prompt, so far."""

    request: Request
    samples: int = 0
    texts: set[int] = field(default_factory=set)  # hashes


class _Taking:
    """An import under way, into a folder that nobody sees yet."""

    def __init__(
        self,
        wanted: Import,
        grader: str | None,
        identity: str,
        facts: Sequence[Facts],
        count: Count | None,
        store: Store,
        recorded: RecordedWriter,
    ) -> None:
        self.wanted, self.identity, self.facts, self.count = wanted, identity, facts, count
        self.store, self.recorded = store, recorded
        self.joiner: Joiner = OfFile(_task_name(wanted), GRADERS[grader]()) if grader else OfTask(_task(wanted))
        self.grader = grader
        self.config = config_of(wanted, facts, 1)
        self.problems: dict[str, Problem] = {}
        self.pools: dict[tuple[str, str], _Pool] = {}  # by prompt and problem
        self.signals: Counter[str] = Counter()  # name -> samples that vote and have it
        self.failed: set[str] = set()  # ids of samples that failed at the source
        self.ids: set[str | None] = set()  # of those that are here
        self.judged: set[str] = set()  # scores that may have seen the gold
        self.voting = 0  # samples that vote
        self.holes: Counter[str] = Counter()  # prompt -> samples that failed at the source
        self.imported = Imported(Path())
        self.chosen: str | None = None  # of several models in a file

    def read(self, source: Source, path: Path, prompt: str | None) -> None:
        """Takes the samples of a file. `prompt`: that they were asked with; None: each says it."""
        for row in source.read(path):
            if isinstance(row, Broken):
                if self.wanted.bad_rows == "refuse":
                    raise TtcError(
                        f"{path}, {row.place}: {row.reason}; nothing was imported (--bad-rows skip leaves such rows out and "
                        "counts them)"
                    )
                self.imported.broken.add(row.reason, row.place)
            elif isinstance(row, Hole):
                self.imported.holes.add(row.reason, row.place)
                self.failed.add(row.id or "")
                self.holes[prompt or self.wanted.prompts[0]] += 1
            else:
                try:
                    asked = self._choose(row, prompt)  # first: a row of another model makes no problem
                    self._take(row, self.joiner.problem(row), asked)
                except Unfit as unfit:
                    self.imported.unmatched.add(unfit.reason, row.place)

    def _choose(self, record: Record, prompt: str | None) -> str:
        """The prompt that a sample was asked with. Raises Unfit for one of another model or prompt than those that are
        imported."""
        own = record.prompt_name or prompt
        if own is None:
            raise Unfit("asked with a prompt that the row does not name; write PROMPT=FILE")
        if own not in self.wanted.prompts or prompt not in (None, own):
            raise Unfit(f"asked with another prompt, {own} (--prompt chooses)")
        if record.model is not None:
            self.chosen = self.chosen or self.wanted.model or record.model
            if record.model != self.chosen:
                raise Unfit(f"of another model, {record.model} (--model chooses)")
        return own

    def _take(self, record: Record, problem: Problem, prompt: str) -> None:
        self.problems[problem.id] = problem
        self.ids.add(record.id)
        if (prompt, problem.id) not in self.pools:
            messages = PROMPTS[prompt].render(self.joiner.task, problem)
            self.pools[prompt, problem.id] = _Pool(self.config.request(self.identity, messages))
        pool, text = self.pools[prompt, problem.id], hash((record.text, record.reasoning))
        self.imported.duplicates += text in pool.texts
        record = replace(record, signals=_own(record.signals), judged=_own(record.judged))
        completion = completion_of(record, self.count)
        if prompt == self.wanted.votes:
            self.signals.update(record.signals.keys())
            self.judged |= record.judged.keys()
            self.voting += 1
        self.store.add(Sample(pool.request, pool.samples, completion))
        self.recorded.add(self.joiner.task.name, problem.id, prompt, pool.samples, record)
        pool.texts.add(text)
        pool.samples += 1
        self.imported.samples += 1

    def finish(self, part: Path, folder: Path, watch: Watch) -> Imported:
        """Writes run.json and the task into `part`, which will be `folder`, and grades the samples, which is kept in
        the store. Raises TtcError where nothing was taken."""
        fewest = {p.id: min(self._sizes(p)) for p in self.problems.values()}
        kept = [p for p in self._in_order() if fewest[p.id] >= self.wanted.at_least]
        done = self.imported
        if not kept:
            raise TtcError(f"{self._nothing()}; nothing was imported")
        sizes = [size for p in kept for size in self._sizes(p)]
        done.folder, done.problems, done.few = folder, len(kept), len(self.problems) - len(kept)
        done.fewest, done.most = min(sizes), max(sizes)
        done.of_task = len(self.joiner.task.problems) or len(self.problems)
        if isinstance(self.joiner, OfTask):
            done.golds, done.unchecked = self.joiner.golds, self.joiner.unchecked
            self._doubt(self.joiner)
        done.lost = sorted(self.failed - {"", *map(str, self.ids)})
        done.remarks = self._remarks()
        if isinstance(self.joiner, OfFile):
            self.joiner.write(part, str(self.grader))
        covered = [name for name, of in self.signals.items() if of >= COVERED * self.voting]
        config = config_of(self.wanted, self.facts, done.most, covered, self.chosen)
        task = Task(self.joiner.task.name, tuple(kept), self.joiner.task.answer_format, self.joiner.task.grader)
        self._check(config, task)
        pools = grade(plan(config, [task], config.model[0], self.identity), self.store, watch)
        done.unread = sum(int((pool.column("answer") < 0).sum()) for pool in pools)
        described = manifest.describe(config, [task], ())
        if len(kept) < done.of_task:
            described["tasks"][0]["only"] = [p.id for p in kept]
        described["models"] = [
            {"name": config.model[0], "id": self.identity, "signals": sorted({*self.signals, *self.judged})}
        ]
        described["imported"] = {
            "files": [path.name for path in self.wanted.paths],
            "sources": [{k: v for k, v in vars(facts).items() if v not in (None, ())} for facts in self.facts],
            "samples": done.samples,
            "holes": dict(self.holes),
            "notes": done.sentences(),
        }
        described["ended"] = manifest.now()
        manifest.write(part, described)
        return done

    def _check(self, config: Config, task: Task) -> None:
        """Raises TtcError for verifiers that these samples cannot have."""
        signals = frozenset({*self.signals, *self.judged})
        setting = Setting(self.identity, signals, self.store, config, open=partial(open_model, config))
        menu.for_models(config.verifiers, [task], {config.model[0]: setting})

    def _doubt(self, joiner: OfTask) -> None:
        """Raises TtcError where so many ids contradict the gold answers that the others fit by chance."""
        if joiner.refused > DOUBT * (joiner.refused + self.imported.samples):
            raise TtcError(
                f"{joiner.refused:,} samples have another gold answer than the problem of their id in {joiner.task.name}: its "
                "problems are in another order; import them with their questions, or without --task"
            )

    def _sizes(self, problem: Problem) -> list[int]:
        """The samples of a problem under each prompt."""
        pools = (self.pools.get((prompt, problem.id)) for prompt in self.wanted.prompts)
        return [pool.samples if pool else 0 for pool in pools]

    def _in_order(self) -> Iterator[Problem]:
        """The problems with samples, in the order of the task."""
        of_task = self.joiner.task.problems or tuple(self.problems.values())
        return (p for p in of_task if p.id in self.problems)

    def _nothing(self) -> str:
        done = self.imported
        reasons = [*done.unmatched.sentences("sample", "left out"), *done.broken.sentences("row", "left out")]
        reasons += done.holes.sentences("sample", "failed where it was made")
        names = ", ".join(path.name for path in self.wanted.paths)
        few = f"no problem has {self.wanted.at_least:,} samples for each prompt (--at-least)" if self.problems else ""
        return f"{names}: no sample for {self.joiner.task.name}: {few or '; '.join(reasons) or 'no rows'}"

    def _remarks(self) -> list[str]:
        said = list(dict.fromkeys(remark for facts in self.facts for remark in facts.remarks))
        if isinstance(self.joiner, OfFile) and self.joiner.reworded:
            said.append(
                f"{counted(self.joiner.reworded, 'sample')} had another prompt than an earlier one of their problem's id"
            )
        if self.grader and not self.wanted.grader:
            said.append(f"answers are read as '{self.grader}', judging by the gold answers; --grader chooses another")
        if self.count:
            name = Path(str(self.wanted.tokenizer)).name
            said.append(
                f"generated tokens were counted by the tokenizer {name}; those of a chat template are not among them"
            )
        said += [
            f"{of:,} of {self.voting:,} samples have the score {name}; --verifier {name} ranks the others last"
            for name, of in sorted(self.signals.items())
            if of < COVERED * self.voting
        ]
        said += [
            f"the score {name} may have been given by somebody who knew the gold answer: best-of-n chooses by it only if asked"
            for name in sorted(self.judged)
        ]
        settings = {
            name: sorted({value for facts in self.facts if (value := getattr(facts, name)) is not None})
            for name in ("temperature", "top_p", "max_tokens")
        }
        known = [f"{name} {', '.join(f'{value:g}' for value in values)}" for name, values in settings.items() if values]
        said.append(
            f"decoding settings as the source gives them: {', '.join(known)}; those in run.json's config only make addresses"
            if known
            else "the source does not give its decoding settings; those in run.json's config only make addresses"
        )
        return said


def _own(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores under names that no verifier of ours has."""
    clashing = menu.VERIFIERS.keys() - RECORDED_SIGNALS
    return {f"{name} of the source" if name in clashing else name: value for name, value in scores.items()}


def _task(wanted: Import) -> Task:
    specs = tasks.specs(str(wanted.task))
    if len(specs) > 1:
        names = ", ".join(spec.name for spec, _ in specs)
        raise TtcError(f"{wanted.task} stands for several tasks: give one of {names}")
    (task,) = tasks.load(str(wanted.task), data=Path(wanted.data) if wanted.data else None)
    return task


def _task_name(wanted: Import) -> str:
    return wanted.name or wanted.title


def _keep_scores(earlier: Path, store: Store) -> None:
    """Adds the scores that verifiers gave after an earlier import of the same files: models were paid for them."""
    if not earlier.exists():
        return
    query = "select verifier, item, value, prompt_tokens, completion_tokens, parameters from scores"
    with closing(Store(earlier, read_only=True)) as old:
        for verifier, item, value, prompt, completion, parameters in old.rows(query):
            store.add_score(verifier, item, Score(value, Usage(prompt=prompt, completion=completion), parameters))
