"""What the command line says, as text and as JSON (pure).

Standard output carries these and nothing else.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import catalogue
from harness.plan import Plan
from orchestrator import answer, estimate, wording
from orchestrator.comparison import Comparison, Row
from orchestrator.hosts import Host
from orchestrator.hosts.local import has_gpu
from orchestrator.progress import duration

if TYPE_CHECKING:
    from rich.table import Table

# Below this nobody needs to be warned.
LONG_S: Final = 20 * 60
# A table longer than this belongs on the page.
MAX_ROWS: Final = 60


def to_text(comparison: Comparison, page: Path, width: int) -> str:
    """The summary table, then the page's path, then the answer: the last line is what counts."""
    said = answer.answer(comparison)
    parts = [_results(comparison.rows, width)] if comparison.rows else []
    if len(comparison.rows) > MAX_ROWS:
        parts.append(f"… and {len(comparison.rows) - MAX_ROWS} more on the page")
    parts += [f"Page: {page}", f"{said.headline}. {said.sentence}"]
    return "\n".join(parts)


def to_json(comparison: Comparison, page: Path) -> str:
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
                "gpu": host.gpu,
                "counts": host.counts,
                "geometric_mean_speed_up": host.geometric_mean,
            }
            for host in comparison.hosts
        ],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def plan_text(plan: Plan, hosts: Sequence[Host]) -> str:
    """What would be measured, and how long it may take."""
    cases = plan.cases()
    lines = [
        f"{wording.many(len(cases), 'case')} on each of {wording.many(len(hosts), 'host')}, "
        f"{wording.many(plan.protocol.iterations, 'inference')} per variant, "
        f"{plan.weights} weights",
        f"models       {', '.join(plan.models)}",
        f"batch sizes  {', '.join(map(str, plan.batch_sizes))}",
        f"modes        {', '.join(plan.modes)}",
        f"precisions   {', '.join(plan.precisions)}",
    ]
    if plan.skip:
        lines.append(f"left out     {wording.many(len(plan.skip), 'case')} that need no measuring")
    gpu = has_gpu()
    where = "a GPU" if gpu else "this CPU"
    about = duration(estimate.seconds(plan, gpu=gpu))
    lines += [f"{host.name:<12} about {about} on {where}" for host in hosts]
    return "\n".join(lines)


def plan_json(plan: Plan) -> str:
    """The plan as the harness would get it."""
    return plan.model_dump_json(indent=2)


def forewarning(plan: Plan) -> list[str]:
    """What a user should know before a long run starts."""
    if has_gpu():
        return []
    about_s = estimate.seconds(plan, gpu=False)
    if about_s < LONG_S:
        return []
    return [
        f"No NVIDIA GPU is visible here: on this CPU the run will take about {duration(about_s)}.",
        "Ctrl-C keeps what is measured. For an answer in minutes:  "
        "python orchestrate.py --hosts local --quick",
    ]


def catalogue_table(width: int) -> str:
    """The twelve models for people."""
    table = _table("Name", "Published as", "Task", "Hub id")
    table.add_column("Parameters", justify="right", no_wrap=True)
    table.add_column("GFLOP per image", justify="right")
    for model in catalogue.CATALOGUE:
        table.add_row(
            model.name,
            model.label,
            model.task,
            model.hub_id,
            f"{model.parameters / 1e6:.1f} M",
            f"{model.flops_per_image / 1e9:,.0f}",
        )
    return _render(table, width)


def catalogue_json() -> str:
    """The twelve models for programs."""
    wanted = ("name", "label", "task", "hub_id", "auto_class", "parameters", "flops_per_image")
    rows = [asdict(model) for model in catalogue.CATALOGUE]
    return json.dumps([{key: row[key] for key in wanted} for row in rows], indent=2)


def _results(rows: Sequence[Row], width: int) -> str:
    table = _table("Host", "Model", "Case")
    for heading in ("Eager", "Compiled", "Speed-up", "95 % interval", "Compile", "Break-even"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows[:MAX_ROWS]:
        table.add_row(*_cells(row))
    return _render(table, width)


def _cells(row: Row) -> list[str]:
    case = row.case
    shown = [f"b{case.batch_size}", case.mode, *([case.precision] * (case.precision != "float32"))]
    cells = [wording.one_line(row.host), wording.one_line(row.label), " ".join(shown)]
    verdict = f"{wording.SYMBOLS[row.verdict]} {row.verdict}"
    if row.problem is not None:
        return [*cells, *[wording.NOTHING] * 6, f"{verdict}: {wording.reason(row.problem.reason)}"]
    assert row.eager is not None
    assert row.compiled is not None
    assert row.speed_up is not None
    return [
        *cells,
        wording.milliseconds(row.eager.mean.value),
        wording.milliseconds(row.compiled.mean.value),
        wording.speed_up(row.speed_up.value),
        wording.interval(row.speed_up, wording.speed_up) or wording.NOTHING,
        wording.NOTHING if row.compile_s is None else wording.seconds(row.compile_s),
        answer.break_even(row),
        verdict,
    ]


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold")  # a name cut short cannot be copied
    return table


def _render(table: Table, width: int) -> str:
    """As plain text: the same in a terminal, a pipe and a log."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=width, color_system=None, markup=False).print(table)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return "\n".join(line for line in lines if line)
