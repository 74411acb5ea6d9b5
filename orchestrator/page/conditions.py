"""What a reader must know of the conditions under which a host was measured, in words (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison, HostSummary, Row
from orchestrator.compare.spread import Apart
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD

_LISTED: Final = 3
# NVML's word for a clock that rests because there is nothing to do.
_NO_LIMIT: Final = "idle"


def caveats(host: HostSummary) -> tuple[str, ...]:
    """What weakens the numbers of a host, a sentence each."""
    return (
        *_noisy(host),
        *_apart(host),
        *disturbed(host),
        *_stopped(host.rows),
        *_left_out(host.rows),
    )


def noisy(name: str, host: HostSummary) -> str:
    """That a host is noisy and what follows, as a sentence; empty where it is not."""
    if host.noise is None or not host.noise.doubt:
        return ""
    return f"{name} is noisy: only differences above {threshold(host.threshold)} count there."


def noise_floor(host: HostSummary) -> str:
    """The noise floor of a host for its card and the table of environments; may be empty."""
    if host.noise is None:
        return ""
    if host.noise.band is None:
        return "too few blocks to tell"
    return f"{wording.percent(host.noise.band, signed=False)}, eager against eager"


def noise_cases(host: HostSummary) -> str:
    """Every A/A case of a host with its interval; empty where none was measured."""
    return "; ".join(_noise_cases(host))


def _noise_cases(host: HostSummary) -> list[str]:
    found = [] if host.noise is None else host.noise.cases
    return [
        f"{case.model} b{case.batch_size}: "
        f"{wording.interval(ratio, _three_decimals) or _three_decimals(ratio.value)}"
        for case, ratio in found
    ]


def agreement(host: HostSummary) -> str:
    """How far the workers of a pool agree, as sentences; empty where that was not measured."""
    found = host.spread
    if found is None:
        return ""
    control = f"{found.case.model} b{found.case.batch_size}"
    if found.between is None:
        text = f"{control} was to be measured on several {worker(host)}s at once, and was on one."
    else:
        text = (
            f"{control} was measured on {found.cards} {worker(host)}s at once: between two of them "
            f"{_by(found.between, 'at most ')}."
        )
    if found.alone is not None:
        text += f" Measured once more with no other worker busy: {_by(found.alone)}."
    most = max(apart.most for apart in (found.between, found.alone) if apart is not None)
    is_within = "is within" if most <= host.threshold else "is more than"
    limit = f"the {threshold(host.threshold)} below which this host calls nothing different"
    return f"{text} That {is_within} {limit}."


def worker(host: HostSummary) -> str:
    """What measures the cases of a pool: "GPU", or "node" where its CPU does."""
    is_cpu = host.environment is not None and host.environment.device.type == "cpu"
    return "node" if is_cpu else "GPU"


def _by(apart: Apart, at_most: str = "") -> str:
    eager, ratio = (wording.percent(of, signed=False) for of in (apart.eager, apart.speed_up))
    return f"eager times differed by {at_most}{eager} and speed-ups by {at_most}{ratio}"


def arithmetic(host: HostSummary) -> str:
    """The flags that torch had while measuring, per precision; empty where none were recorded."""
    found: dict[str, None] = {}
    for row in host.rows:
        if row.measurement is not None and row.measurement.flags:
            flags = ", ".join(f"{name} {value}" for name, value in row.measurement.flags.items())
            found[wording.one_line(f"{row.case.precision}: {flags}")] = None
    return "; ".join(found)


def telemetry_notes(host: HostSummary) -> str:
    """Why a host's cases have no telemetry or no energy, in its own words; may be empty."""
    notes = (row.measurement.telemetry_note for row in host.rows if row.measurement is not None)
    return "; ".join(dict.fromkeys(wording.one_line(note) for note in notes if note))


def threshold(share: float) -> str:
    """What a difference must exceed: "2 %", "7.3 %"."""
    return wording.percent(share, signed=False).replace(".0", "")


def thresholds(comparison: Comparison) -> str:
    """The thresholds of all hosts: "2 %", or "2 % to 7.3 %, depending on the host"."""
    shares = [host.threshold for host in comparison.hosts] or [PRACTICAL_THRESHOLD]
    words = span(shares)
    return words if len(set(map(threshold, shares))) == 1 else f"{words}, depending on the host"


def span(shares: Sequence[float]) -> str:
    """The least and the greatest of some thresholds: "2 % to 7.3 %"."""
    low, high = threshold(min(shares)), threshold(max(shares))
    return low if low == high else f"{low} to {high}"


def _three_decimals(ratio: float) -> str:
    """Ratios so close to 1 that two decimals would hide what they are about."""
    return f"{ratio:.3f}×"


def _noisy(host: HostSummary) -> Iterator[str]:
    if host.noise is None or not host.noise.doubt:
        return
    found = {
        "differs": "eager against itself differed, as if something had changed",
        "wide": "eager against itself scatters widely",
    }[host.noise.doubt]
    cases = _noise_cases(host)
    more = len(cases) - _LISTED
    told = "; ".join([*cases[:_LISTED], *([f"and {more} more"] if more > 0 else [])])
    yield (
        f"Noisy: {found} ({told}). Only differences above {threshold(host.threshold)} count here."
    )


def _apart(host: HostSummary) -> Iterator[str]:
    """That it matters which worker of a pool a case was measured on, or what the others did."""
    if host.spread is None:
        return
    of = f"{host.spread.case.model} b{host.spread.case.batch_size}"
    between, alone = host.spread.between, host.spread.alone
    from_one = f"from one {worker(host)} to another"
    for found, where in ((between, from_one), (alone, "with other workers busy")):
        if found is None or found.most <= host.threshold:
            continue
        eager, ratio = (wording.percent(of, signed=False) for of in (found.eager, found.speed_up))
        told = f"Its workers do not agree: eager times of {of} differed by {eager} {where}"
        if found.speed_up > host.threshold:
            yield f"{told}, and its speed-up by {ratio}. A verdict here may be the worker's."
        else:
            yield f"{told}. Its speed-up did not ({ratio}): compare speed-ups here, not times."


def disturbed(host: HostSummary) -> Iterator[str]:
    """What heat, power and protection did to the clocks of a host, a sentence each."""
    facts = [row.facts for row in host.rows if row.facts is not None]
    apart = sum(each.clocks_differ for each in facts)
    if apart:
        yield f"{wording.many(apart, 'case')} ran eager and compiled at clocks over 1 % apart."
    retaken = sum(each.retaken for each in facts)
    if retaken:
        yield f"Taken again because throttling disturbed them: {wording.many(retaken, 'block')}."
    observed = sum(each.observed for each in facts)
    reasons: Counter[str] = Counter()
    for each in facts:
        reasons.update(dict(each.throttled))
    reasons.pop(_NO_LIMIT, None)
    for reason, blocks in reasons.most_common(_LISTED):
        share = wording.percent(blocks / observed, signed=False)
        yield f"Clocks held down in {share} of blocks: {wording.one_line(reason)}."


def _stopped(rows: Sequence[Row]) -> Iterator[str]:
    calls = [
        row.eager.calls
        for row in rows
        if row.eager is not None and row.measurement is not None and row.measurement.stopped_early
    ]
    if calls:
        low, high = wording.count(min(calls)), wording.count(max(calls))
        span = low if low == high else f"{low} to {high}"
        yield (
            f"{wording.many(len(calls), 'case')} stopped early, once the interval was narrow "
            f"enough: after {span} calls per variant."
        )


def _left_out(rows: Sequence[Row]) -> Iterator[str]:
    """What the compiler left out and what could not be measured, with their own reasons."""
    said: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    for row in rows:
        if row.measurement is not None:
            said.update(set(row.measurement.notes))
            evidence = row.measurement.compile_evidence
            said.update(set(evidence.gates) if evidence else ())
            skips.update(set(evidence.cuda_graph_skip_reasons) if evidence else ())
    for reason, cases in said.most_common(_LISTED):
        yield f"{wording.many(cases, 'case')}: {wording.one_line(reason)}"
    for reason, cases in skips.most_common(_LISTED):
        yield (
            f"{wording.many(cases, 'case')} without a CUDA graph, at least in part: "
            f"{wording.one_line(reason)}"
        )
