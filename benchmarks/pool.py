"""Ten thousand cases over the 64 workers of one pool: what does the queue cost, and what the desk?

First the queue alone, in simulated time: cases as long as estimated for a T4, two seconds more for
each job, and a node lost in one of a hundred. Then the real desk in a process of its own: threads,
journal and record files on disk, and a cluster in memory whose jobs take 0.1 to 1.1 s.
"""

from __future__ import annotations

import datetime
import heapq
import random
import resource
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, get_args

from harness.contract import catalogue
from harness.contract.plan import Plan
from harness.contract.recipes import MODES
from harness.contract.vocabulary import Precision
from orchestrator import estimate
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet import fleet
from orchestrator.fleet.dispatch import Dispatch, Turn
from orchestrator.hosts.pooled import PooledHost
from orchestrator.inventory.pools import Pool
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_cluster import MemoryCluster

CASES: Final = 10_000
WORKERS: Final = 64
JOB_S: Final = 2.0
LOST: Final = 0.01
MOST_OF_IDEAL: Final = 1.1
SHORTEST_S: Final = 0.1
LONGEST_S: Final = 1.1


def main() -> None:
    _queue_alone()
    subprocess.run([sys.executable, "-m", "benchmarks.pool"], check=True)


def _plan() -> Plan:
    """Ten thousand cases and a few more, of which the rest is left out."""
    of = factories.plan(
        models=tuple(model.name for model in catalogue.CATALOGUE),
        recipes=MODES,
        precisions=get_args(Precision),
        batch_sizes=tuple(range(1, 43)),
    )
    more = [case.case_id for case in islice(of.all_cases(), CASES, None)]
    return of.model_copy(update={"skip": tuple(more)})


def _queue_alone() -> None:
    plan, chance = _plan(), random.Random(1)
    now_s, spent_s, count, lost = 0.0, 0.0, 0, 0
    costs = {each.case_id: estimate.share_s(plan, each.case) for each in plan.attempts()}
    start_s = perf_counter()
    queue = Dispatch(plan.attempts(), lambda case: costs[case.case_id], WORKERS, lambda: now_s)
    built_s = perf_counter() - start_s
    ends: list[tuple[float, int, Turn]] = []
    work_s = 0.0
    while True:
        start_s = perf_counter()
        begun = []
        while (turn := queue.take()) is not None:
            begun.append(turn)
        spent_s += perf_counter() - start_s
        for turn in begun:
            count += 1
            took_s = costs[turn.attempt.case_id] * chance.lognormvariate(0, 0.2) + JOB_S
            work_s += took_s
            heapq.heappush(ends, (now_s + took_s, count, turn))
        if not ends:
            break
        now_s, _, turn = heapq.heappop(ends)
        start_s = perf_counter()
        if chance.random() < LOST:
            lost += 1
            queue.lost(turn)
        else:
            queue.done(turn)
        spent_s += perf_counter() - start_s
    ratio = now_s / (work_s / WORKERS)
    print(
        f"queue alone       {count:,} jobs for {CASES:,} cases ({lost} nodes lost), "
        f"{(built_s + spent_s) / CASES * 1e6:.1f} µs per case; simulated {now_s / 3600:.1f} h, "
        f"{ratio:.3f} of the ideal ({'within' if ratio <= MOST_OF_IDEAL else 'BEYOND'} "
        f"{MOST_OF_IDEAL})"
    )


def _desk() -> None:
    plan = _plan()
    cluster = MemoryCluster(plan, takes_s=(SHORTEST_S, LONGEST_S))
    pool = Pool("http://127.0.0.1:8265", "A100", workers=WORKERS)
    host = PooledHost("a100", pool, lambda: cluster)
    with tempfile.TemporaryDirectory() as place:
        now = datetime.datetime.now(tz=datetime.UTC)
        folder = RunFolder.create(Path(place), plan, ["a100"], "benchmark", now)
        before_mb = _peak_mb()
        start_s, start_cpu_s = perf_counter(), process_time()
        fleet.run({host: plan}, folder, NoProgress())
        wall_s, cpu_s = perf_counter() - start_s, process_time() - start_cpu_s
        after_mb = _peak_mb()
        whole = sum(note.end == "whole" for note in folder.jobs("a100").values())
    ideal_s = cluster.work_s / WORKERS
    ratio = wall_s / ideal_s
    print(
        f"the whole desk    {whole:,} jobs for {CASES:,} cases in {wall_s:.0f} s, "
        f"{ratio:.3f} of the ideal "
        f"({'within' if ratio <= MOST_OF_IDEAL else 'BEYOND'} {MOST_OF_IDEAL}); "
        f"{cpu_s / CASES * 1e3:.1f} ms of processor per case, records of it made here among them; "
        f"{after_mb:.0f} MB at most ({before_mb:.0f} before)"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    _desk()
