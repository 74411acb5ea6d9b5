"""Does spreading cases over workers change what a run finds? The same on one worker and on four.

A real Ray cluster of four nodes on this machine measures tiny models on the CPU. What a run finds
are speed-ups, and its noise floor bounds how far those may move. Times move as well where nodes
share cores, as here, memory or power: how far is told, and is no failure. Needs what the tests of
pools need; elsewhere it says so.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from harness.contract.recipes import AOT_EAGER
from orchestrator import planning
from orchestrator.changes import changes
from orchestrator.changes.changes import Changes, Judged
from orchestrator.compare import runs
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.spread import Apart
from tests import factories
from tests.ray import cluster as clusters
from tests.ray.cluster import Cluster, Node
from tests.ray.trial import Trial

WORKERS: Final = 4
MODELS: Final = ("resnet-50", "vit-base")
BATCH_SIZES: Final = (1, 4)
PROTOCOL: Final = {"iterations": 1500, "energy_s": 0.0}


def main() -> None:
    if why := clusters.missing():
        print(f"left out: {why}")
        return
    nodes = [Node(f"n{number}", f"127.77.0.{number}", "A100") for number in range(2, 2 + WORKERS)]
    os.environ["RAY_AUTH_TOKEN"] = clusters.TOKEN
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        clusters.running(Path(folder), nodes) as cluster,
    ):
        cluster.measures.touch()
        one, four = (_run(cluster, workers) for workers in (1, WORKERS))
    found = changes.between(one, four)
    assert len(found.compared) == len(MODELS) * len(BATCH_SIZES), "not every case has times twice"
    _print(found)
    if _largest(found, "speed_up") > _threshold(found):
        sys.exit("spreading changes speed-ups by more than the noise floor")


def _plan() -> Plan:
    cases = [factories.case(model, size, AOT_EAGER) for model in MODELS for size in BATCH_SIZES]
    return factories.plan(
        cases, weights="random", size="tiny", protocol=PROTOCOL,
        picture={"url": "", "fallback": True},
        noise_floor=planning.noise_floor(MODELS, "float32", BATCH_SIZES, one=False),
    )  # fmt: skip


def _run(cluster: Cluster, workers: int) -> Comparison:
    """Measure all cases with so many workers at once."""
    with tempfile.TemporaryDirectory() as output:
        trial = Trial(cluster, Path(output), plan=_plan())
        outcome = trial.measure(
            trial.pool(resource="slot", gpu="none", workers=workers, controls=True)
        )
        assert outcome.ending == "finished", trial.watcher.troubles
        return runs.read(trial.folder)


def _print(found: Changes) -> None:
    floor = _threshold(found)
    print(f"{'one worker against four':<28}{'eager time':>12}{'speed-up':>12}")
    for match in found.matches:
        print(f"  {match.after.case.case_id:<26}{_told(match.eager)}{_told(match.speed_up)}")
    print(f"{'largest difference':<28}{_largest(found, 'eager'):>12.1%}", end="")
    print(f"{_largest(found, 'speed_up'):>12.1%}   (noise floor {floor:.1%})")
    spread = found.after.hosts[0].spread
    if spread is not None:
        print(f"controls: between {spread.cards} nodes {_apart(spread.between)}; alone ", end="")
        print(_apart(spread.alone))


def _told(judged: Judged | None) -> str:
    return f"{'—':>12}" if judged is None else f"{judged.ratio.value - 1:>+12.1%}"


def _apart(apart: Apart | None) -> str:
    if apart is None:
        return "not measured"
    return f"eager times {apart.eager:.1%}, speed-ups {apart.speed_up:.1%}"


def _largest(found: Changes, what: str) -> float:
    """The largest change up or down, as a share."""
    ratios = [getattr(match, what).ratio.value for match in found.compared]
    return math.exp(max(abs(math.log(ratio)) for ratio in ratios)) - 1


def _threshold(found: Changes) -> float:
    """What a difference must exceed: the larger of 2 % and the noise floor of either run."""
    return max(side.hosts[0].threshold for side in (found.before, found.after))


if __name__ == "__main__":
    main()
