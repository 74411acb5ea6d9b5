"""What is read from the compiler beside its code: why, and what it left out."""

from __future__ import annotations

import pytest
import torch

from harness import compile as compiler
from harness import environment


def test_a_small_gpu_is_told_that_no_gemm_template_is_tried() -> None:
    (said,) = compiler.gates("max-autotune", 40)
    assert "40 multiprocessors, 68 needed" in said
    assert compiler.gates("max-autotune-no-cudagraphs", 58)
    assert compiler.gates("max-autotune", 108) == ()
    assert compiler.gates("default", 40) == ()
    assert compiler.gates("max-autotune", None) == ()


def test_graph_breaks_and_recompiles_come_with_their_reasons() -> None:
    torch.compiler.reset()

    @torch.compile(backend="aot_eager", dynamic=False)
    def broken(x: torch.Tensor) -> torch.Tensor:
        y = x.sin()
        torch._dynamo.graph_break()
        return y.cos()

    broken(torch.ones(3))
    mark = compiler.CompilationLog.mark()
    broken(torch.ones(4))
    assert mark.recompiles_since() > 0
    found = compiler.evidence("aot_eager")
    assert found.graph_breaks >= 1
    assert any("graph_break" in reason for reason in found.graph_break_reasons)
    assert any("size mismatch" in reason for reason in found.recompile_reasons)


def test_flags_are_read_back_and_can_be_read_after_they_were_set() -> None:
    before = environment.flags()
    backends = torch.backends
    kept = backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision
    try:
        backends.cuda.matmul.fp32_precision = "tf32"
        backends.cudnn.conv.fp32_precision = "ieee"
        flags = environment.flags()
    finally:
        backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision = kept
    assert flags["matmul fp32_precision"] == "tf32"
    assert flags["conv fp32_precision"] == "ieee"
    assert flags["autocast"] == "False"
    assert environment.flags() == before


def test_an_a_a_case_gets_its_module_back_as_it_is() -> None:
    module = torch.nn.Linear(2, 2)
    assert compiler.compiled(module, "eager", "inductor") is module


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16", "float32", "ieee"])
def test_every_precision_on_a_cpu_is_set_or_refused(precision: str) -> None:
    cpu = torch.device("cpu")
    if precision == "tf32":
        with pytest.raises(compiler.UnsupportedCaseError, match="TF32 exists"):
            compiler.set_precision("tf32", cpu)
    else:
        compiler.set_precision(precision, cpu)  # type: ignore[arg-type]
