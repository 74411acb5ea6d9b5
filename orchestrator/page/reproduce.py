"""Cases -> the command that measures them again (pure)."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence

from harness.contract import recipes
from harness.contract.plan import Case, Plan, Protocol
from orchestrator import planning, wording


def command(host: str, cases: Sequence[Case], plan: Plan | None) -> str:
    """The command that measures these cases once more as that run did.

    Returns: one line for a POSIX shell; empty for the published table, which has no command.
    """
    if plan is None:
        return ""
    options: dict[str, list[str]] = {
        "--hosts": [host],
        "--models": [case.model for case in cases],
        "--modes": [case.mode for case in cases],
        "--precisions": [case.precision for case in cases],
        "--batch-sizes": [str(case.batch_size) for case in cases],
        "--iterations": [str(plan.protocol.iterations)],
        "--weights": [plan.weights],
    }
    options |= _where_it_differs(plan)
    words = ["python", "orchestrate.py"]
    if _is_quick(plan.protocol):
        words.append("--quick")
    if plan.protocol.warm_cache:
        words.append("--warm-cache")
    if plan.pickled_weights:
        words.append("--allow-pickle")
    for option, values in options.items():
        words += [option, ",".join(dict.fromkeys(values))]
    return " ".join(map(_quoted, words))


@functools.lru_cache(maxsize=4096)
def _quoted(word: str) -> str:
    """A word for a shell, redacted before quotes could hide a secret; `~` stays for the shell."""
    word = wording.redacted(word)
    home, rest = ("~/", word[2:]) if word.startswith("~/") else ("", word)
    return home + shlex.quote(rest)


@functools.lru_cache(maxsize=16)
def _is_quick(protocol: Protocol) -> bool:
    """Whether `--quick` asked for it, apart from what has options of its own."""
    quick = planning.protocol(protocol.iterations, quick=True)
    chosen = {"until", "max_blocks", "warm_cache", "case_processes"}
    return protocol.model_dump(exclude=chosen) == quick.model_dump(exclude=chosen)


def _where_it_differs(plan: Plan) -> dict[str, list[str]]:
    """Options that few runs set. A picture of the user's own is named, not carried."""
    found: dict[str, list[str]] = {}
    if plan.picture.url != planning.COCO_URL:
        found["--image"] = [plan.picture.url]
    if plan.protocol.until is not None:
        found["--until"] = [f"{plan.protocol.until:.6%}".rstrip("%").rstrip("0").rstrip(".") + "%"]
    if plan.protocol.case_processes != "auto":
        found["--case-processes"] = [plan.protocol.case_processes]
    if recipes.is_rehearsal(plan.backend):
        found["--backend"] = [plan.backend]
    if plan.size != "full":
        found["--size"] = [plan.size]
    return found
