"""What the hosts delivered -> a comparison: every planned case judged on every host (pure).

Hosts are taken one at a time: once a host's rows are made, its records may be forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.contract import catalogue
from harness.contract.plan import Case, Plan
from harness.contract.records import Device, Measurement
from orchestrator.compare import collecting, environments, measured, noise, published, spread
from orchestrator.compare.comparison import Comparison, HostSummary, Problem, Row, RunInfo, label_of
from orchestrator.compare.facts import facts_of, samples
from orchestrator.compare.published import PublishedRow
from orchestrator.records.outcomes import HostOutcome
from orchestrator.statistics import statistics, verdicts
from orchestrator.statistics.times import Times
from orchestrator.wording import told_apart


@collecting.paused()
def build(run: RunInfo, plan: Plan, outcomes: Iterable[HostOutcome]) -> Comparison:
    """Compare eager with compiled for every planned case on every host.

    Args:
        outcomes: may be read while they are taken; none is kept.
    """
    hosts: list[HostSummary] = []
    names: list[str] = []
    for outcome in outcomes:
        names.append(outcome.host)
        public = replace(outcome, host=told_apart(names)[-1])
        hosts.append(_host(public, plan, run.prices_per_hour.get(outcome.host)))
    judged = iter(_judged(hosts))
    complete = tuple(
        replace(host, rows=tuple(itertools.islice(judged, len(host.rows)))) for host in hosts
    )
    return Comparison(run, complete, tuple(row for host in complete for row in host.rows))


def gpu_of(outcome: HostOutcome) -> str:
    """The processor that a host measured on, as it calls it; empty where it never started."""
    return outcome.environment.device.name if outcome.environment else ""


def _row(outcome: HostOutcome, case: Case, price_per_hour: float | None) -> Row:
    known = catalogue.find(case.model)
    problem = _problem(outcome, case)
    row = Row(
        host=outcome.host,
        gpu=gpu_of(outcome),
        case=case,
        label=label_of(case.model),
        task=known.task if known else None,
        verdict="missing" if problem.reason == "missing" else "failed",
        problem=problem,
        published=_published_for(outcome, case),
        price_per_hour=price_per_hour,
        origin=outcome.origins.get(case.case_id),
    )
    measurement = outcome.measurements.get(case.case_id)
    if measurement is None:
        return row
    environment = outcome.environment
    return _measured(row, measurement, None if environment is None else environment.device)


def _measured(row: Row, measurement: Measurement, device: Device | None) -> Row:
    """The same row with what its samples say; only all rows together tell its verdict."""
    eager = Times.of(samples(measurement.blocks, "eager"))
    compiled = Times.of(samples(measurement.blocks, "compiled"))
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
        measurement=measured.packed(measurement),
        problem=None,
    )


def _judged(hosts: Sequence[HostSummary]) -> Iterator[Row]:
    """All rows, those that could be compared with their verdicts."""
    rows = [(row, host.threshold) for host in hosts for row in host.rows]
    compared = [(row.speed_up, threshold) for row, threshold in rows if row.speed_up is not None]
    judged = iter(verdicts.judge([each for each, _ in compared], [each for _, each in compared]))
    for row, threshold in rows:
        if row.speed_up is None:
            yield replace(row, threshold=threshold)
        else:
            found = next(judged)
            yield replace(
                row, threshold=threshold, verdict=found.decision, adjusted_p=found.adjusted_p
            )


def _problem(outcome: HostOutcome, case: Case) -> Problem:
    """Why a case has no times, if it has none: the nearest cause first."""
    failure = outcome.failures.get(case.case_id)
    if failure is not None:
        return Problem(failure.reason, failure.stage, failure.message, failure.traceback)
    if why := outcome.refused.get(case.case_id):
        return Problem("refused", None, f"its record was refused: {why}", "")
    last = outcome.host_failures[-1] if outcome.host_failures else None
    fault = outcome.left.get(case.case_id, last)
    if fault is not None:  # no finding about a case that was not tried for it
        return Problem("host_unavailable", None, fault.message, fault.traceback)
    by_user = case.case_id in outcome.left or outcome.ending == "interrupted"
    stopped = "the run was interrupted" if by_user else "the run ended"
    return Problem("missing", None, f"not measured: {stopped} before this case", "")


def _published_for(outcome: HostOutcome, case: Case) -> PublishedRow | None:
    known = catalogue.find(case.model)
    if known is None or case.precision != "float32" or outcome.environment is None:
        return None
    device = outcome.environment.device
    return published.find(device.name, known.hub_id, case.mode, case.batch_size)


def _host(outcome: HostOutcome, plan: Plan, price_per_hour: float | None) -> HostSummary:
    """One host, its rows not judged yet."""
    return HostSummary(
        host=outcome.host,
        gpu=gpu_of(outcome),
        ending=outcome.ending,
        environment=outcome.environment,
        rows=tuple(_row(outcome, case, price_per_hour) for case in plan.all_cases()),
        remarks=(*outcome.remarks, *_noise_remarks(outcome, plan)),
        harness_revision=outcome.harness_revision,
        picture=outcome.picture,
        environments=len(environments.distinct(outcome.environments)),
        differing=environments.differing(outcome.environments) if outcome.origins else (),
        workers=_workers(outcome),
        price_per_hour=price_per_hour,
        noise=noise.of_host(outcome.measurements.values()),
        noise_problems=tuple(problem for _, problem in _noise_problems(outcome, plan)),
        spread=spread.of_host(outcome),
        trouble=outcome.host_failures[-1].message if outcome.host_failures else "",
        devices=tuple(dict.fromkeys(one.device.name for one in outcome.environments)),
    )


def _noise_problems(outcome: HostOutcome, plan: Plan) -> Iterator[tuple[Case, Problem]]:
    for case in plan.noise_floor:
        if case.case_id not in outcome.measurements:
            yield case, _problem(outcome, case)


def _noise_remarks(outcome: HostOutcome, plan: Plan) -> Iterator[str]:
    for case, problem in _noise_problems(outcome, plan):
        if case.case_id in outcome.failures:
            yield f"The A/A case {case.case_id} failed ({problem.reason}): {problem.message}"
        elif outcome.environment is not None:
            why = problem.message if problem.reason != "host_unavailable" else "the host was lost"
            yield f"The A/A case {case.case_id} has no times: {why}"


def _workers(outcome: HostOutcome) -> int:
    """How many cards of a pool measured something."""
    places = (of for case_id, of in outcome.origins.items() if case_id in outcome.measurements)
    return len({(of.node, of.gpu_uuid) for of in places})
