"""Turns what the hosts delivered into the tables that a page shows (pure).

One `Row` per host and case. A host's A/A cases are no rows: they set the threshold of its rows.
Nothing here formats or draws; units are seconds, bytes and ratios.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal, TypeAlias

from harness import catalogue
from harness.plan import Case, Plan
from harness.records import Device, Environment, Failure, Measurement
from harness.vocabulary import Stage
from orchestrator import noise, published, statistics, verdicts
from orchestrator.facts import CaseFacts, facts_of, samples
from orchestrator.noise import NoiseFloor
from orchestrator.outcomes import Ending, HostOutcome
from orchestrator.published import PublishedRow
from orchestrator.statistics import PRACTICAL_THRESHOLD, BreakEven, Estimate, Summary
from orchestrator.wording import redacted, told_apart

Verdict: TypeAlias = Literal[
    "faster", "slower", "same", "unclear", "failed", "missing", "published"
]


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
    known and `mean_only` is true. `compile_s` is the first compiled call, from empty caches;
    `warm_break_even` is counted with that of a process which found them filled. `adjusted_p` is
    the p-value of the speed-up, adjusted for all rows of the page; `threshold` is its host's.
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
    warm_break_even: BreakEven | None = None
    adjusted_p: float | None = None
    threshold: float | None = None
    compile_s: float | None = None
    facts: CaseFacts | None = None
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
    `noise` is None where no A/A case was measured; the threshold is then the practical one alone.
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
    noise: NoiseFloor | None = None

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
    names = told_apart([outcome.host for outcome in outcomes])
    hosts = [
        _host(replace(outcome, host=name), plan, run.prices_per_hour.get(outcome.host))
        for outcome, name in zip(outcomes, names, strict=True)
    ]
    judged = iter(_judged(hosts))
    complete = tuple(
        replace(host, rows=tuple(itertools.islice(judged, len(host.rows)))) for host in hosts
    )
    return Comparison(run, complete, tuple(row for host in complete for row in host.rows))


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
    if measurement is None:
        return row
    environment = outcome.environment
    return _measured(row, measurement, None if environment is None else environment.device)


def _measured(row: Row, measurement: Measurement, device: Device | None) -> Row:
    """The same row with what its samples say; only all rows together tell its verdict."""
    eager = samples(measurement.blocks, "eager")
    compiled = samples(measurement.blocks, "compiled")
    ratio = statistics.speed_up(eager, compiled)
    first_s, warm_s = measurement.compiled.first_call_s, measurement.warm_first_call_s
    later = measurement.compiled.samples_s
    return replace(
        row,
        eager=statistics.summarise(eager),
        compiled=statistics.summarise(compiled),
        speed_up=ratio,
        time_saved=statistics.time_saved(ratio),
        break_even=statistics.break_even((first_s, *later), eager, compiled),
        warm_break_even=None
        if warm_s is None
        else statistics.break_even((warm_s, *later), eager, compiled),
        compile_s=first_s,
        facts=facts_of(measurement, device),
        measurement=measurement,
        problem=None,
    )


def _judged(hosts: Sequence[HostSummary]) -> Iterator[Row]:
    """All rows, those that could be compared with their verdicts."""
    rows = [replace(row, threshold=host.threshold) for host in hosts for row in host.rows]
    compared = [row for row in rows if row.speed_up is not None]
    ratios = [row.speed_up for row in compared if row.speed_up is not None]
    judged = iter(verdicts.judge(ratios, [row.threshold or 0.0 for row in compared]))
    for row in rows:
        if row.speed_up is None:
            yield row
        else:
            verdict = next(judged)
            yield replace(row, verdict=verdict.decision, adjusted_p=verdict.adjusted_p)


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


def _host(outcome: HostOutcome, plan: Plan, price_per_hour: float | None) -> HostSummary:
    """One host, its rows not judged yet."""
    rows = (_row(outcome, case) for case in plan.all_cases())
    return HostSummary(
        host=outcome.host,
        gpu=gpu_of(outcome),
        ending=outcome.ending,
        environment=outcome.environment,
        rows=tuple(replace(row, price_per_hour=price_per_hour) for row in rows),
        remarks=(*outcome.remarks, *_noise_remarks(outcome, plan)),
        harness_revision=outcome.harness_revision,
        picture=outcome.picture,
        environments=len(outcome.environments),
        price_per_hour=price_per_hour,
        noise=noise.of_host(outcome.measurements.values()),
    )


def _noise_remarks(outcome: HostOutcome, plan: Plan) -> Iterator[str]:
    for case in plan.noise_floor:
        failure = outcome.failures.get(case.case_id)
        if failure is not None:
            yield f"The A/A case {case.case_id} failed ({failure.reason}): {failure.message}"


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
