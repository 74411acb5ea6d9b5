"""What the command line says, as text and as JSON (pure).

Standard output carries these and nothing else.
"""

from __future__ import annotations

import io
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from harness import catalogue
from harness.plan import Plan
from orchestrator import estimate, wording
from orchestrator.changes import change_words
from orchestrator.changes.changes import Changes
from orchestrator.cli.host_state import duration
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.fleet import controls
from orchestrator.hosts.local import has_gpu
from orchestrator.inventory.inventory import Machine
from orchestrator.page import answer, fields

if TYPE_CHECKING:
    from rich.table import Table

# Below this nobody needs to be warned.
LONG_S: Final = 20 * 60
# A table longer than this belongs on the page.
MAX_ROWS: Final = 60
_UNLIMITED: Final = 10_000
_VALUES: Final = ("Speed-up", "95 % interval", "Eager", "Compiled", "Compile", "Break-even")
# How many of them stand in the table: on a narrow terminal the rest is left to the page.
_FEWER_VALUES: Final = (6, 5, 4, 2, 1, 0)
_CATALOGUE_VALUES: Final[tuple[tuple[str, Literal["left", "right"]], ...]] = (
    ("Published as", "left"),
    ("Parameters", "right"),
    ("GFLOP per image", "right"),
    ("Task", "left"),
)


def to_text(
    comparison: Comparison, page: Path, width: int | None, changes: Changes | None = None
) -> str:
    """The summary table, then the page's path, then the answer: the last line is what counts.

    Args:
        width: columns of the terminal; None where there is none, and lines need no breaking.
        changes: since the run that is the baseline, if a run is.
    """
    said = answer.answer(comparison)
    verdict = f"{said.headline}. {said.sentence}"
    parts = [_results(comparison.rows, width)] if comparison.rows else []
    if len(comparison.rows) > MAX_ROWS:
        parts.append(f"… and {len(comparison.rows) - MAX_ROWS} more on the page")
    if changes is not None:
        against = f"Against run {changes.before.run.name}: {change_words.said(changes).headline}."
        parts.append(_filled(wording.one_line(against), width))
    for host in comparison.hosts:
        for problem in host.noise_problems:
            lacks = f"{host.host}: no noise floor, eager against eager failed: {problem.message}"
            parts.append(_filled(wording.one_line(lacks), width))
    parts += [f"Page: {page}", _filled(verdict, width)]
    return "\n".join(parts)


def _filled(text: str, width: int | None) -> str:
    return textwrap.fill(text, width) if width else text


def to_json(comparison: Comparison, page: Path, changes: Changes | None = None) -> str:
    """The same for programs; results.json beside the page has every row."""
    said = answer.answer(comparison)
    content = {
        "run_id": comparison.run.run_id,
        "page": str(page),
        "results": str(page.with_name("results.json")),
        "headline": said.headline,
        "sentence": said.sentence,
        "counts": comparison.counts,
        "median_break_even_inferences": comparison.median_break_even,
        "hosts": [
            {
                "host": host.host,
                "gpu": host.gpu or None,
                "counts": host.counts,
                "geometric_mean_speed_up": host.geometric_mean,
            }
            for host in comparison.hosts
        ],
        "baseline": None if changes is None else _baseline(changes),
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _baseline(changes: Changes) -> dict[str, str]:
    found = change_words.said(changes)
    name = wording.plain(changes.before.run.name)
    return {"run": name, "headline": found.headline, "sentence": found.sentence}


def plan_text(plan: Plan, machines: Sequence[Machine]) -> str:
    """What would be measured, and how long it may take."""
    cases = [case for case in plan.cases() if case.mode != "eager"]
    lines = [
        f"{wording.many(len(cases), 'case')} on {'each of ' * (len(machines) > 1)}"
        f"{wording.many(len(machines), 'host')}, "
        f"{wording.many(plan.protocol.iterations, 'inference')} per variant, "
        f"{plan.weights} weights",
        f"models       {', '.join(plan.models)}",
        f"batch sizes  {', '.join(map(str, plan.batch_sizes))}",
        f"modes        {', '.join(plan.modes)}",
        f"precisions   {', '.join(plan.precisions)}",
    ]
    if plan.noise_floor:
        lines.append(f"noise floor  {', '.join(case.case_id for case in plan.noise_floor)}")
    if plan.skip:
        lines.append(f"left out     {wording.many(len(plan.skip), 'case')} that need no measuring")
    return "\n".join([*lines, *(_about(plan, machine) for machine in machines)])


def _about(plan: Plan, machine: Machine) -> str:
    """How long a machine may take, and on what."""
    estimated_s, more = _estimated_s(plan, machine), _controls(plan, machine)
    if estimated_s is None:
        return f"{machine.name:<12} on its CPU, whose speed is not known here{more}"
    count = _gpus(machine)
    where = wording.many(count, "GPU") if count > 1 else "a GPU" if count else "this CPU"
    return f"{machine.name:<12} about {duration(estimated_s)} on {where}{more}"


def _controls(plan: Plan, machine: Machine) -> str:
    """What a pool measures besides."""
    if machine.pool is None:
        return ""
    more = controls.turns(
        plan, plan.cases(), (), machine.pool, lambda case: estimate.share_s(plan, case)
    )
    times = wording.many(len(more), "time")
    return f"; {more[0].case.case_id} {times} more, to see if workers agree" if more else ""


def _estimated_s(plan: Plan, machine: Machine) -> float | None:
    """How long a machine may take, in seconds; None for a distant CPU, which may be any."""
    count = _gpus(machine)
    if not machine.is_local and not count:
        return None
    return estimate.seconds(plan, gpu=count > 0) / max(count, 1)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _gpus(machine: Machine) -> int:
    """On how many GPUs a machine spreads its cases; here it is the first one, if there is one."""
    if machine.pool is not None:
        return machine.pool.gpus * machine.pool.workers
    return int(has_gpu()) if machine.is_local else len(machine.gpus)


def plan_json(plan: Plan, machines: Sequence[Machine]) -> str:
    """The same for programs; `plan` is what the harness would get."""
    hosts = [
        {"name": each.name, "gpus": _gpus(each), "estimated_s": _whole(_estimated_s(plan, each))}
        for each in machines
    ]
    cases = sum(case.mode != "eager" for case in plan.cases())
    found = {"cases_per_host": cases, "hosts": hosts, "plan": plan.model_dump(mode="json")}
    return json.dumps(found, indent=2)


def forewarning(plan: Plan, machines: Sequence[Machine]) -> list[str]:
    """What a user should know before a long run starts."""
    if has_gpu() or not any(machine.is_local for machine in machines):
        return []
    cases_s = estimate.case_seconds(plan, gpu=False)
    about_s = math.fsum(cases_s)
    if about_s < LONG_S:
        return []
    limit_s = plan.protocol.case_limit_s
    endless = sum(case_s >= limit_s for case_s in cases_s)
    return [
        f"No NVIDIA GPU is visible here: on this CPU the run will take about {duration(about_s)}.",
        *(_too_long(endless, limit_s) if endless else ()),
        "Ctrl-C keeps what is measured. For an answer in minutes:  "
        "python orchestrate.py --hosts local --quick",
    ]


def _too_long(cases: int, limit_s: float) -> tuple[str, ...]:
    return (
        f"{wording.many(cases, 'case')} may not end within {duration(limit_s)}, the time limit of "
        "a case: fewer --iterations or smaller --batch-sizes help.",
    )


def catalogue_table(width: int | None) -> str:
    """The twelve models for people."""
    return fitting(_catalogue_table, range(4, -1, -1), width)


def catalogue_json() -> str:
    """The twelve models for programs."""
    wanted = ("name", "label", "task", "hub_id", "auto_class", "parameters", "flops_per_image")
    rows = [asdict(model) for model in catalogue.CATALOGUE]
    return json.dumps([{key: row[key] for key in wanted} for row in rows], indent=2)


def _catalogue_table(shown: int) -> Table:
    table = new_table("Name", "Hub id")
    for heading, justify in _CATALOGUE_VALUES[:shown]:
        table.add_column(heading, justify=justify)
    for model in catalogue.CATALOGUE:
        values = (
            model.label,
            f"{model.parameters / 1e6:.1f} M",
            f"{model.flops_per_image / 1e9:,.0f}",
            model.task,
        )
        table.add_row(model.name, model.hub_id, *values[:shown])
    return table


def _results(rows: Sequence[Row], width: int | None) -> str:
    """A line per case, its verdict last."""
    return fitting(lambda shown: _result_table(rows, shown), _FEWER_VALUES, width)


def _result_table(rows: Sequence[Row], shown: int) -> Table:
    """What is the same in all rows goes without saying; `shown` values stand before the verdict."""
    several = [
        name
        for name, values in (
            ("host", {row.host for row in rows}),
            ("mode", {row.case.mode for row in rows}),
            ("precision", {row.case.precision for row in rows}),
        )
        if len(values) > 1
    ]
    table = new_table(*(name.capitalize() for name in several if name == "host"), "Model", "Case")
    for heading in _VALUES[:shown]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows[:MAX_ROWS]:
        *values, verdict = _values(row)
        table.add_row(*_names(row, several), *values[:shown], verdict)
    return table


def _names(row: Row, several: Sequence[str]) -> list[str]:
    case = row.case
    parts = [f"b{case.batch_size}"]
    parts += [case.mode] * ("mode" in several) + [case.precision] * ("precision" in several)
    host = [wording.one_line(row.host)] * ("host" in several)
    return [*host, wording.one_line(row.label), " ".join(parts)]


def _values(row: Row) -> list[str]:
    verdict = f"{wording.SYMBOLS[row.verdict]} {row.verdict}"
    if row.problem is not None:
        why = f": {wording.reason(row.problem.reason)}" * (row.verdict == "failed")
        return [*[wording.NOTHING] * 6, verdict + why]
    assert row.eager is not None
    assert row.compiled is not None
    assert row.speed_up is not None
    return [
        wording.speed_up(row.speed_up.value),
        wording.interval(row.speed_up, wording.speed_up) or wording.NOTHING,
        wording.milliseconds(row.eager.mean.value),
        wording.milliseconds(row.compiled.mean.value),
        wording.NOTHING if row.compile_s is None else wording.seconds(row.compile_s),
        fields.break_even(row),
        verdict,
    ]


def new_table(*headings: str) -> Table:
    """An empty table in the look of all of them."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for heading in headings:
        table.add_column(heading)
    return table


def fitting(make: Callable[[int], Table], columns: Iterable[int], width: int | None) -> str:
    """The first table that is no wider than `width`, else the last; nothing is cut or broken,
    because a name in pieces can neither be read nor copied."""
    text = ""
    for shown in columns:
        text = _render(make(shown))
        if width is None or max(map(len, text.splitlines())) <= width:
            break
    return text


def _render(table: Table) -> str:
    """As plain text: the same in a terminal, a pipe and a log."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=_UNLIMITED, color_system=None, markup=False).print(table)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return "\n".join(line for line in lines if line)
