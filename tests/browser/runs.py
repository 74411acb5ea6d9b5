"""The runs whose pages are looked at: all made of real records with made-up times."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from harness.contract import recipes
from harness.contract.records import Block, Measurement
from orchestrator.compare.comparison import Comparison, RunInfo
from orchestrator.compare.judging import build
from orchestrator.records.outcomes import HostOutcome
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan

GPUS = {"a100": "NVIDIA A100-SXM4-40GB", "t4": "Tesla T4"}
MODELS = ("vit-base", "beit-base", "resnet-50")
MODES = ("default", "reduce-overhead")
MODES4 = (*recipes.MODES, recipes.EAGER.name)
SIZES = (1, 4)
SPEED_UPS = (1.5, 0.8, 1.2, 1.0, 1.3)
TEXT_FACTS = (
    "torch", "torch_cuda", "triton", "transformers", "numpy", "python", "platform", "cpu",
    "cxx_compiler", "float32_matmul_precision",
)  # fmt: skip
# What a page of a host would do if any of it were taken for markup, script, style or address.
XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"'><svg onload=alert(3)>",
    "</script></style></title><script>alert(4)</script>",
    "javascript:alert(5)",
    "{{7*7}}{% raw %}${alert(6)}`",
    "<iframe src=//evil.example><base href=//evil.example>",
    "' onmouseover='alert(7)' style='position:fixed",
    "--></noscript><math><mtext></mtext><style>*{display:none}</style>",
)


def scattered(measured: Measurement, seed: int) -> Measurement:
    """The same case with times that differ from call to call, as real ones do."""
    generator = random.Random(seed)
    return measured.model_copy(
        update={
            "blocks": tuple(
                Block(
                    variant=block.variant,
                    samples_s=tuple(
                        sample_s * generator.uniform(0.98, 1.02) for sample_s in block.samples_s
                    ),
                )
                for block in measured.blocks
            )
        }
    )


def mixed(prices: dict[str, float] | None = None) -> Comparison:
    """Two GPUs, three models, two modes, two batch sizes; some faster, some slower, one failed."""
    cases = [
        case(model, size, mode) for model in MODELS for mode in MODES for size in SIZES
    ]  # fmt: skip
    outcomes = [_outcome(host, gpu, cases) for host, gpu in GPUS.items()]
    made = comparison(*outcomes)
    assert made.run.plan is not None
    run = RunInfo(made.run.run_id, made.run.created, made.run.command, made.run.plan, prices or {})
    return build(run, made.run.plan, outcomes)


def _outcome(host: str, gpu: str, cases: list) -> HostOutcome:
    records = [
        scattered(measurement(each, eager_s=0.01, compiled_s=0.01 / ratio), seed)
        for seed, (each, ratio) in enumerate(zip(cases, itertools.cycle(SPEED_UPS), strict=False))
    ]
    if host == "t4":
        records[1] = failure(cases[1], "oom", "CUDA out of memory", "Traceback: here")
    return outcome(host, *records, of=environment(gpu))


def of_speed_ups(*ratios: float) -> Comparison:
    """One host, one model per ratio."""
    return comparison(
        outcome(
            "a100",
            *(
                measurement(case(f"org/model-{place}"), eager_s=0.01, compiled_s=0.01 / ratio)
                for place, ratio in enumerate(ratios)
            ),
        )
    )


def failed() -> Comparison:
    return comparison(outcome("t4", *(failure(case(batch_size=size)) for size in SIZES)))


def nothing() -> Comparison:
    """A host that was lost before its first case."""
    silent = replace(outcome("t4", ending="lost"), environments=())
    return comparison(silent, of=plan([case()]))


def hostile(text: str) -> Comparison:
    """The text in every field that a host or a user can fill."""
    facts = dict.fromkeys(TEXT_FACTS, text)
    measured = measurement(case(text, 1))
    evidence = measured.compile_evidence.model_copy(
        update={"graph_breaks": 1, "graph_break_reasons": (text,)}
    )
    made_of = measured.facts.model_copy(
        update={"architecture": text, "dtype": text, "attention": text, "revision": text}
    )
    agreement = measured.agreement.model_copy(update={"worst_tensor": text})
    measured = measured.model_copy(
        update={"compile_evidence": evidence, "facts": made_of, "agreement": agreement}
    )
    records = (measured, failure(case(text, 4), "error", text, text))
    found = outcome(text, *records, of=environment(text, **facts), remarks=(text,), ending="lost")
    found = replace(found, harness_revision=text, picture=text)
    chosen = plan([case(text, 1), case(text, 4)], weights="random")
    run = RunInfo(text, text, f"python orchestrate.py {text}", chosen, {text: 1.0})
    return build(run, chosen, [found])


def large() -> Comparison:
    """More cases than a page draws at once."""
    cases = [case(f"org/model-{n}", 1, mode) for n in range(380) for mode in MODES4]
    records = [measurement(each, blocks=5, calls=1, noise=0.01) for each in cases]
    return comparison(outcome("a100", *records))
