"""Which cases of a pool are measured once more, to see whether its workers agree (pure).

The lightest case shows best what a machine shares between its GPUs, as the host's processor does,
and costs least. At the start several workers have it at once, so each with a GPU of its own; at the
end one has it while nothing else runs. `compare.spread` holds the results against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.contract.plan import Case, CaseAttempt, Plan
from orchestrator.fleet.dispatch import Turn
from orchestrator.records.journal import JobNote


def turns(
    plan: Plan,
    left: Sequence[CaseAttempt],
    notes: Iterable[JobNote],
    workers: int,
    cost: Callable[[Case], float],
) -> tuple[Turn, ...]:
    """The controls for a pool that has these attempts left; at most a fourth more of the lightest,
    and one.

    Args:
        workers: how many of them may measure a case once more; with one there are no controls.
        notes: of the jobs so far. A run that goes on has its controls, but for the last.
        cost: seconds that a case takes, as estimated.
    """
    known = {note.control for note in notes if note.end in ("", "whole")}
    if workers == 1 or len(left) < 2 or "alone" in known:
        return ()
    lightest = CaseAttempt(case=min(plan.all_cases(), key=cost))
    copies = min(workers - 1, max(1, len(left) // 4))
    if known or lightest not in left:
        copies = 0
    beside = (Turn(lightest, control="beside", copy=copy) for copy in range(1, copies + 1))
    return (*beside, Turn(lightest, control="alone"))
