"""Turns what the hosts delivered into the tables that a page shows (pure).

One `Row` per host and case. Nothing here formats or draws; units are seconds, bytes and ratios.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final, Literal, TypeAlias

from harness import catalogue
from harness.plan import Case, Plan
from harness.records import Block, Environment, Failure, Measurement
from harness.vocabulary import Stage, Variant
from orchestrator import published, statistics
from orchestrator.outcomes import Ending, HostOutcome
from orchestrator.published import PublishedRow
from orchestrator.statistics import BreakEven, Estimate, Summary
from orchestrator.wording import redacted, told_apart

Verdict: TypeAlias = Literal[
    "faster", "slower", "same", "unclear", "failed", "missing", "published"
]

PUBLISHED_RUN: Final = "published"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row has no times. `reason` is one of the contract's closed set, or "missing"."""

    reason: str
    stage: Stage | None
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Row:
    """One case on one host.

    `eager` and `compiled` are summaries of the samples; for a published row only their means are
    known and `mean_only` is true. `compile_s` is the first compiled call, from empty caches.
    `published` is the published row for the same GPU, model, mode and batch size, if any.
    `price_per_hour` is what the host costs in USD, if that is known.
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
    compile_s: float | None = None
    measurement: Measurement | None = None
    problem: Problem | None = None
    published: PublishedRow | None = None
    note: str = ""
    price_per_hour: float | None = None

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


@dataclass(frozen=True, slots=True)
class HostSummary:
    """One host, condensed for its card. Best and worst are by speed-up.

    `environment` is the latest of its `environments`: a resumed run may have several.
    `price_per_hour` is in USD.
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
    price_per_hour: float | None = None

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
    in USD by host name."""

    run_id: str
    created: str
    command: str
    plan: Plan | None
    prices_per_hour: Mapping[str, float] = field(default_factory=dict)


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


def build(run: RunInfo, plan: Plan, outcomes: Sequence[HostOutcome]) -> Comparison:
    """Compare eager with compiled for every planned case on every host."""
    rows: list[Row] = []
    hosts: list[HostSummary] = []
    names = told_apart([outcome.host for outcome in outcomes])
    for known, name in zip(outcomes, names, strict=True):
        price = run.prices_per_hour.get(known.host)
        outcome = replace(known, host=name)
        of_host = [replace(_row(outcome, case), price_per_hour=price) for case in plan.all_cases()]
        rows += of_host
        hosts.append(replace(_summary_of_host(outcome, of_host), price_per_hour=price))
    return Comparison(run, tuple(hosts), tuple(rows))


def build_published() -> Comparison:
    """The published table as a run of its own; a host is a GPU with a release of torch."""
    info = RunInfo(PUBLISHED_RUN, "2023", "", None)
    rows = tuple(_published_row(row) for row in published.rows())
    names = dict.fromkeys(row.host for row in rows)
    hosts = tuple(_published_host([row for row in rows if row.host == name]) for name in names)
    return Comparison(info, hosts, rows)


def samples(blocks: Iterable[Block], variant: Variant) -> tuple[tuple[float, ...], ...]:
    """The samples of one variant in seconds, shape (blocks, calls), in the order taken."""
    return tuple(block.samples_s for block in blocks if block.variant == variant)


def gpu_of(outcome: HostOutcome) -> str:
    """The processor that a host measured on, as a reader would call it."""
    environment = outcome.environment
    return environment.device.name if environment else "unknown device"


def label_of(model: str) -> str:
    """How a model is shown: the published label, else the last part of its name.

    Redacted here already: a part of a secret would not be known as one any more.
    """
    known = catalogue.find(model)
    return known.label if known else redacted(model).rstrip("/").rsplit("/", 1)[-1]


def _row(outcome: HostOutcome, case: Case) -> Row:
    known = catalogue.find(case.model)
    problem = _problem(outcome, outcome.failures.get(case.case_id))
    row = Row(
        host=outcome.host,
        gpu=gpu_of(outcome),
        case=case,
        label=label_of(case.model),
        task=known.task if known else None,
        verdict="missing" if problem.reason == "missing" else "failed",
        problem=problem,
        published=_published_for(outcome, case),
    )
    measurement = outcome.measurements.get(case.case_id)
    return row if measurement is None else _measured(row, measurement)


def _measured(row: Row, measurement: Measurement) -> Row:
    """The same row with what its samples say."""
    eager_blocks = samples(measurement.blocks, "eager")
    compiled_blocks = samples(measurement.blocks, "compiled")
    eager = statistics.summarise(eager_blocks)
    compiled = statistics.summarise(compiled_blocks)
    ratio = statistics.speed_up(eager_blocks, compiled_blocks)
    warm_up = measurement.compiled
    return replace(
        row,
        verdict=statistics.decide(ratio),
        eager=eager,
        compiled=compiled,
        speed_up=ratio,
        time_saved=statistics.time_saved(ratio),
        break_even=statistics.break_even(
            (warm_up.first_call_s, *warm_up.samples_s), eager.mean.value, compiled.mean.value
        ),
        compile_s=warm_up.first_call_s,
        measurement=measurement,
        problem=None,
    )


def _problem(outcome: HostOutcome, failure: Failure | None) -> Problem:
    if failure is not None:
        return Problem(failure.reason, failure.stage, failure.message, failure.traceback)
    if outcome.host_failures:
        last = outcome.host_failures[-1]
        return Problem(last.reason, last.stage, last.message, last.traceback)
    stopped = "the run was interrupted" if outcome.ending == "interrupted" else "the run ended"
    return Problem("missing", None, f"not measured: {stopped} before this case", "")


def _published_for(outcome: HostOutcome, case: Case) -> PublishedRow | None:
    known = catalogue.find(case.model)
    if known is None or case.precision != "float32" or outcome.environment is None:
        return None
    device = outcome.environment.device
    return published.find(device.name, known.hub_id, case.mode, case.batch_size)


def _summary_of_host(outcome: HostOutcome, rows: Sequence[Row]) -> HostSummary:
    return HostSummary(
        host=outcome.host,
        gpu=gpu_of(outcome),
        ending=outcome.ending,
        environment=outcome.environment,
        rows=tuple(rows),
        remarks=outcome.remarks,
        harness_revision=outcome.harness_revision,
        picture=outcome.picture,
        environments=len(outcome.environments),
    )


def _published_host(rows: Sequence[Row]) -> HostSummary:
    return HostSummary(
        host=rows[0].host, gpu=rows[0].gpu, ending="finished", environment=None, rows=tuple(rows)
    )


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


def _published_row(row: PublishedRow) -> Row:
    case = Case(
        model=row.hub_id,
        mode="reduce-overhead" if row.mode == "reduce-overhead" else "default",
        precision="float32",
        batch_size=row.batch_size,
    )
    host = f"{row.gpu} · torch {row.torch}"
    if row.eager_s is None or row.compiled_s is None:
        problem = Problem("oom", None, "out of memory, says the published page", "")
        return Row(host, row.gpu, case, row.label, row.task, "failed", problem=problem)
    ratio = Estimate(row.eager_s / row.compiled_s, None, None)
    return Row(
        host=host,
        gpu=row.gpu,
        case=case,
        label=row.label,
        task=row.task,
        verdict="published",
        eager=_mean_only(row.eager_s),
        compiled=_mean_only(row.compiled_s),
        mean_only=True,
        speed_up=ratio,
        time_saved=statistics.time_saved(ratio),
        note=row.note,
    )


def _mean_only(mean_s: float) -> Summary:
    return Summary(Estimate(mean_s, None, None), mean_s, mean_s, mean_s, 300)
