"""Runs as GPUs would send them, with every number that a page can show, and as noisy as it gets.

Times scatter from call to call by 8 % with a tail to the slow side, and blocks by 3 %; nothing
repeats, so nothing packs too well. Most hosts measure with less noise.
"""

from __future__ import annotations

import random
from typing import Final

from harness.contract.plan import Case
from harness.contract.recipes import MODES
from harness.contract.records import Block, Measurement
from orchestrator.compare.comparison import Comparison, RunInfo
from orchestrator.compare.judging import build
from orchestrator.records.outcomes import HostOutcome
from tests import factories

GPUS: Final = ("NVIDIA A100-SXM4-40GB", "Tesla T4", "Tesla V100-SXM2-16GB")
USD_PER_HOUR: Final = 1.234
BATCH_SIZES: Final = (1, 4, 16)
_SCATTER: Final = 0.08
_BLOCKS_SCATTER: Final = 0.03


def outcomes(hosts: int, modes: int, models: tuple[str, ...], day: int = 0) -> list[HostOutcome]:
    """Every case of these measured on every host; on another day all times are others."""
    return [_outcome(gpu, modes, models, day) for gpu in GPUS[:hosts]]


def compared(delivered: list[HostOutcome]) -> Comparison:
    """The comparison of a run whose hosts delivered this, each at a price."""
    plan = factories.plan([one.case for one in delivered[0].measurements.values()])
    prices = dict.fromkeys(GPUS, USD_PER_HOUR)
    command = "python orchestrate.py --hosts a100,t4,v100"
    run = RunInfo("2026-11-23-a", "2026-11-23 10:00 UTC", command, plan, prices)
    return build(run, plan, delivered)


def _outcome(gpu: str, modes: int, models: tuple[str, ...], day: int) -> HostOutcome:
    generator = random.Random(f"{gpu}{day or ''}")
    records = [measurement(case, generator) for case in cases(modes, models)]
    return factories.outcome(gpu, *records, of=factories.environment(gpu))


def cases(modes: int, models: tuple[str, ...]) -> list[Case]:
    return [
        factories.case(model, batch_size, mode)
        for model in models
        for mode in MODES[:modes]
        for batch_size in BATCH_SIZES
    ]


def measurement(case: Case, generator: random.Random) -> Measurement:
    """30 blocks of 10 calls per variant, and all that a GPU tells beside them."""
    uniform = generator.uniform
    eager_s = uniform(0.003, 0.2)
    compiled_s = eager_s / uniform(0.8, 2.0)
    plain = factories.measurement(
        case,
        eager_s=eager_s,
        compiled_s=compiled_s,
        noise=_BLOCKS_SCATTER,
        compile_s=uniform(20, 90),
    )
    found = factories.on_gpu(
        plain,
        device_s=(eager_s * 0.98, compiled_s * 0.98),
        enqueue_s=(eager_s * uniform(0.3, 1), compiled_s * uniform(0.2, 0.9)),
        busy_s=(eager_s * 0.97, compiled_s * 0.9),
        clocks_mhz=(uniform(1200, 1410), uniform(1200, 1410)),
        joules=(uniform(2000, 3000), uniform(2000, 3000)),
        flops_per_image=generator.randrange(10**9, 10**11),
    )
    memory = ("eager_peak", "compiled_peak", "eager_process", "compiled_process")
    return found.model_copy(
        update={
            "blocks": tuple(_scattered(block, generator) for block in found.blocks),
            "agreement": found.agreement.model_copy(update={"relative_error": uniform(1e-7, 1e-4)}),
            "warm_first_call_s": uniform(2, 9),
            **{f"{name}_memory_bytes": generator.randrange(10**8, 10**10) for name in memory},
        }
    )


def _scattered(block: Block, generator: random.Random) -> Block:
    times_s = (time_s * generator.lognormvariate(0, _SCATTER) for time_s in block.samples_s)
    return block.model_copy(update={"samples_s": tuple(times_s)})
