"""The tables that a page shows (pure): a comparison of hosts and cases; `judging` makes them.

One `Row` per host and case. A host's A/A cases are no rows: they set the threshold of its rows.
Nothing here formats or draws; units are seconds, bytes and ratios.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeAlias

from harness.contract import catalogue
from harness.contract.plan import Case, Plan
from harness.contract.records import Environment
from harness.contract.vocabulary import Stage
from orchestrator.compare import rehearsal
from orchestrator.compare.facts import CaseFacts
from orchestrator.compare.measured import Measured
from orchestrator.compare.noise import NoiseFloor
from orchestrator.compare.published import PublishedRow
from orchestrator.compare.rehearsal import Cause
from orchestrator.compare.spread import Spread
from orchestrator.records.outcomes import Ending, Origin
from orchestrator.statistics import statistics
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD, BreakEven, Estimate, Summary
from orchestrator.wording import redacted

Verdict: TypeAlias = Literal[
    "faster", "slower", "same", "unclear", "failed", "missing", "published"
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row has no times. `reason` is one of the contract's closed set, "refused" for a record
    that could not be accepted, or "missing"."""

    reason: str
    stage: Stage | None
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Row:
    """One case on one host.

    `eager` and `compiled` are summaries of the samples; for a published row only their means are
    known and `mean_only` is true. `gpu` is empty where the host never started. `compile_s` is the
    first compiled call, from empty caches; `warm_break_even` is counted with that of a process
    which found them filled. `adjusted_p` is the p-value of the speed-up, adjusted for all rows of
    the page; `threshold` is its host's.
    `published` is the published row for the same GPU, model, mode and batch size, if any.
    `price_per_hour` is what the host costs in USD, if that is known. `origin` is where a pool
    measured the case.
    """

    host: str
    gpu: str
    case: Case
    label: str
    task: str | None
    verdict: Verdict
    eager: Summary | None = None
    compiled: Summary | None = None
    mean_only: bool = False
    speed_up: Estimate | None = None
    time_saved: Estimate | None = None
    break_even: BreakEven | None = None
    warm_break_even: BreakEven | None = None
    adjusted_p: float | None = None
    threshold: float | None = None
    compile_s: float | None = None
    facts: CaseFacts | None = None
    measurement: Measured | None = None
    problem: Problem | None = None
    published: PublishedRow | None = None
    note: str = ""
    price_per_hour: float | None = None
    origin: Origin | None = None

    @property
    def lost(self) -> bool:
        """Whether its host, and not the case itself, is why there are no times."""
        return self.problem is not None and self.problem.reason == "host_unavailable"

    @property
    def throughput(self) -> tuple[float, float] | None:
        """Images per second, eager and compiled."""
        if self.eager is None or self.compiled is None:
            return None
        images = self.case.batch_size
        return images / self.eager.mean.value, images / self.compiled.mean.value

    @property
    def cost_per_million_images(self) -> tuple[float, float] | None:
        """USD, eager and compiled, while the host does nothing else; None without a price."""
        if self.price_per_hour is None or self.throughput is None:
            return None
        price_per_s = self.price_per_hour / 3600
        eager, compiled = self.throughput
        return price_per_s / eager * 1e6, price_per_s / compiled * 1e6

    @property
    def published_means(self) -> tuple[float, float] | None:
        """Published eager and compiled seconds of the same case, if there are any.

        A row of the published table itself has none: it is those means.
        """
        found = self.published
        if found is None or found.eager_s is None or found.compiled_s is None or self.mean_only:
            return None
        return found.eager_s, found.compiled_s

    @property
    def published_saving(self) -> float | None:
        """The share of eager time that compiling saved in the published row of the same case."""
        means = self.published_means
        return None if means is None else 1 - means[1] / means[0]


@dataclass(frozen=True, slots=True)
class HostSummary:
    """One host, condensed for its card. Best and worst are by speed-up.

    `gpu` is empty where the host never started, and `trouble` says why it could not go on.
    `environment` is the latest of its `environments`: a resumed run may have several, and so may a
    pool; `differing` says in what the nodes of one differ. `workers` of a pool measured something.
    `price_per_hour` is in USD.
    `noise` is None where no A/A case was measured; the threshold is then the practical one alone.
    `noise_problems` are why A/A cases have no times. `spread` says how far a pool's workers agree.
    `devices` are the names of all processors that measured, in whatever sitting.
    """

    host: str
    gpu: str
    ending: Ending
    environment: Environment | None
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    harness_revision: str | None = None
    picture: str | None = None
    environments: int = 1
    differing: tuple[str, ...] = ()
    workers: int = 0
    price_per_hour: float | None = None
    noise: NoiseFloor | None = None
    noise_problems: tuple[Problem, ...] = ()
    spread: Spread | None = None
    trouble: str = ""
    devices: tuple[str, ...] = ()

    @property
    def never_started(self) -> bool:
        """Whether nothing at all came from this host. The published table finished long ago."""
        return self.environment is None and self.ending != "finished"

    @property
    def threshold(self) -> float:
        """What a difference must exceed on this host, as a share."""
        return PRACTICAL_THRESHOLD if self.noise is None else self.noise.threshold

    @property
    def counts(self) -> dict[Verdict, int]:
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def compared(self) -> tuple[Row, ...]:
        """The rows with a speed-up, slowest first; published ones count."""
        rows = [row for row in self.rows if row.speed_up is not None]
        return tuple(sorted(rows, key=_speed_up_value))

    @property
    def geometric_mean(self) -> float | None:
        return statistics.geometric_mean([_speed_up_value(row) for row in self.compared])

    @property
    def best(self) -> Row | None:
        return self.compared[-1] if self.compared else None

    @property
    def worst(self) -> Row | None:
        return self.compared[0] if self.compared else None

    @property
    def median_break_even(self) -> int | None:
        return _median_break_even(self.rows)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Where the numbers come from. `plan` is None for the published table; `prices_per_hour` are
    in USD by host name. `folder` is how the run is called on disk today: a folder may have been
    renamed or copied since."""

    run_id: str
    created: str
    command: str
    plan: Plan | None
    prices_per_hour: Mapping[str, float] = field(default_factory=dict)
    folder: str = ""

    @property
    def name(self) -> str:
        """What a user types to name this run."""
        return self.folder or self.run_id


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a page needs."""

    run: RunInfo
    hosts: tuple[HostSummary, ...]
    rows: tuple[Row, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def median_break_even(self) -> int | None:
        return _median_break_even(self.rows)

    @property
    def is_published(self) -> bool:
        return self.run.plan is None

    @property
    def rehearsal(self) -> str:
        """Why the run is a rehearsal and no result, in a few words; empty where it is a result."""
        devices = (name for host in self.hosts for name in host.devices)
        return rehearsal.in_words(causes_of(self.run.plan, devices))


def causes_of(plan: Plan | None, devices: Iterable[str]) -> tuple[Cause, ...]:
    """Why what a plan measured on these devices is a rehearsal; the published table is none."""
    return () if plan is None else rehearsal.causes(plan.size, plan.backend, devices)


def label_of(model: str) -> str:
    """How a model is shown: the published label, else the last part of its name.

    Redacted here already: a part of a secret would not be known as one any more.
    """
    known = catalogue.find(model)
    return known.label if known else redacted(model).rstrip("/").rsplit("/", 1)[-1]


def _speed_up_value(row: Row) -> float:
    assert row.speed_up is not None
    return row.speed_up.value


def _median_break_even(rows: Iterable[Row]) -> int | None:
    """Over the rows that are faster: elsewhere compiling is not paid back at all."""
    counts = [
        row.break_even.inferences
        for row in rows
        if row.verdict == "faster"
        and row.break_even is not None
        and row.break_even.inferences is not None
    ]
    return round(median(counts)) if counts else None
