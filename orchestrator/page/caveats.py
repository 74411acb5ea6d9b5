"""What a reader must know before trusting numbers: of one host, and of hosts side by side (pure).

A caveat is a plain sentence. It never repeats a verdict, and it stands only where it applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from harness.contract.plan import Plan
from harness.contract.records import Environment
from orchestrator import wording
from orchestrator.compare.comparison import HostSummary, causes_of
from orchestrator.page import conditions
from orchestrator.statistics.statistics import MIN_BLOCKS

# Characters of a reason that the page tells in full further down.
_WHY: Final = 200
# Whatever differs in one of these may be the reason why two GPUs differ.
_SOFTWARE: Final[dict[str, Callable[[Environment], object]]] = {
    "torch": lambda e: e.torch,
    "CUDA of torch": lambda e: e.torch_cuda,
    "Triton": lambda e: e.triton,
    "Transformers": lambda e: e.transformers,
    "float32 matrix products": lambda e: e.float32_matmul_precision,
    "TF32 in cuDNN": lambda e: e.cudnn_allow_tf32,
    "container": lambda e: "inside" if e.in_container else "outside",
}


def between_hosts(hosts: Sequence[HostSummary]) -> tuple[str, ...]:
    """In what the hosts of a run differ besides their hardware, a sentence each."""
    found = []
    known = [host.environment for host in hosts if host.environment is not None]
    for name, read in _SOFTWARE.items():
        values = _distinct([read(environment) for environment in known])
        if len(values) > 1:
            found.append(f"{name} ({wording.listed(values)})")
    revisions = _distinct([host.harness_revision for host in hosts if host.harness_revision])
    if len(revisions) > 1:
        found.append(f"harness revision ({wording.listed(revisions)})")
    pictures = _distinct([host.picture for host in hosts if host.picture])
    if len(pictures) > 1:
        found.append(f"input picture ({wording.listed(pictures)})")
    if not found:
        return ()
    differences = wording.listed(found)
    return (
        f"The hosts differ in {differences}: a difference between them may come from that and not "
        "from the GPU.",
    )


def of_host(host: HostSummary, plan: Plan | None) -> tuple[str, ...]:
    """What limits the numbers of one host, a sentence each."""
    found = [cause.sentence for cause in causes_of(plan, host.devices)]
    if plan is not None and plan.weights == "random":
        found.append("Random weights: same architecture, same arithmetic.")
    missing = host.counts.get("missing", 0)
    if host.never_started:
        found.append(_never_started(host))
    elif host.ending != "finished":
        ended = "was interrupted" if host.ending == "interrupted" else "was lost before its end"
        unmeasured = missing + sum(row.lost for row in host.rows)
        found.append(f"This host {ended}; {wording.many(unmeasured, 'case')} not measured.")
    if host.differing:
        found.append(
            f"Its nodes differ in {wording.listed(host.differing)}: a difference between two of "
            "its cases may come from that."
        )
    elif host.environments > 1:
        found.append(
            f"Measured in {host.environments} sittings, environments differing; the last is shown."
        )
    if host.environment is not None and host.environment.device.type == "cpu":
        found.append("Measured on a CPU: this says nothing about any GPU.")
    return (*found, *_of_cases(host), *conditions.caveats(host))


def _never_started(host: HostSummary) -> str:
    if not host.trouble:
        return "This host never started: the run ended before it did."
    why = wording.one_line(host.trouble)
    return f"This host never started: {wording.cut(wording.redacted(why), _WHY)}"


def _of_cases(host: HostSummary) -> list[str]:
    measured = [row.measurement for row in host.rows if row.measurement is not None]
    evidence = [m.compile_evidence for m in measured if m.compile_evidence is not None]
    conditions = (
        (
            sum(not (m.eager.stable and m.compiled.stable) for m in measured),
            "had not settled when the warm-up reached its limit",
        ),
        (sum(each.graph_breaks > 0 for each in evidence), "compiled with graph breaks"),
        (
            sum(each.cuda_graphs == 0 for each in evidence),
            "recorded no CUDA graph, although the mode asks for them",
        ),
        (sum(each.cuda_graph_skips > 0 for each in evidence), "skipped CUDA graphs"),
        (
            sum(len(m.timings.layout) < 2 * MIN_BLOCKS for m in measured),
            "had too few blocks to judge",
        ),
    )
    return [f"{wording.many(number, 'case')} {words}." for number, words in conditions if number]


def _distinct(values: Sequence[object]) -> list[str]:
    return list(dict.fromkeys(wording.one_line(str(value)) for value in values))
