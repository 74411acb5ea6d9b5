"""What is read from the compiler beside its code: why, and what it left out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor.virtualized import V

from harness.contract import recipes
from harness.devices import environment
from harness.devices.cpu import Cpu
from harness.devices.cuda import NvidiaGpu
from harness.recipes import compiling as compiler
from harness.recipes import generated_code

DEFAULT, TUNED, TRACED = (
    recipes.of("default"),
    recipes.of("max-autotune"),
    recipes.of("default", rehearsed=True),
)


def test_what_only_records_graphs_is_refused_where_there_are_none() -> None:
    with pytest.raises(compiler.UnsupportedCaseError, match="cudagraphs needs a GPU"):
        compiler.require(recipes.of("cudagraphs"), Cpu())
    for other in (DEFAULT, TUNED, TRACED):
        compiler.require(other, Cpu())


def test_a_small_gpu_is_told_that_no_gemm_template_is_tried() -> None:
    (said,) = compiler.gates(TUNED, 40)
    assert "40 multiprocessors, 68 needed" in said
    assert compiler.gates(recipes.of("max-autotune-no-cudagraphs"), 58)
    assert compiler.gates(TUNED, 108) == ()
    assert compiler.gates(DEFAULT, 40) == ()
    assert compiler.gates(TUNED, None) == ()


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


class Layer(torch.nn.Module):
    """Breaks the graph, and takes another width in every layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(width, width + 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        torch._dynamo.graph_break()
        return y.relu()


class Layers(torch.nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer(2 + index) for index in range(number))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def test_parts_that_dynamo_gave_up_on_are_named_though_others_were_compiled() -> None:
    def after_running(layers: int) -> tuple[str, ...]:
        torch.compiler.reset()
        counters.clear()
        model = compiler.compiled(Layers(layers), TRACED)
        with torch.no_grad():
            model(torch.ones(1, 2))
        assert compiler.evidence("aot_eager").graphs > 1
        return compiler.given_up()

    within, above = after_running(2), after_running(torch._dynamo.config.recompile_limit + 2)
    assert "graph break in loop" in within[0]
    assert "recompile limit" not in within[0]
    assert "Dynamo recompile limit exceeded" in above[0]


def test_a_model_in_one_graph_has_no_part_that_dynamo_gave_up_on() -> None:
    torch.compiler.reset()
    counters.clear()
    compiler.compiled(torch.nn.ReLU(), TRACED)(torch.ones(2))
    assert compiler.given_up() == ()


@pytest.fixture
def restored_flags() -> Iterator[None]:
    """torch's own flags of float32 arithmetic afterwards."""
    backends = torch.backends
    yield
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = True
    backends.cuda.matmul.fp32_precision = backends.cudnn.fp32_precision = "none"


@pytest.mark.usefixtures("restored_flags")
@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_ieee_is_set_and_read_back_on_every_device(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Turing has no TF32, and a record of it must not say that convolutions use it."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    compiler.set_precision("ieee", NvidiaGpu() if kind == "cuda" else Cpu())
    flags = environment.flags()
    assert (flags["matmul fp32_precision"], flags["conv fp32_precision"]) == ("ieee", "ieee")


class Net(torch.nn.Module):
    """Two kernels of Inductor's own around a product of a library, on a CPU as well."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.linear(x.sin()), -1)


# torch's own, raised while it loads Inductor.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
def test_launches_of_generated_kernels_are_counted_in_the_code_that_launches_them() -> None:
    torch.compiler.reset()
    launches = generated_code.Launches()
    with torch.no_grad(), generated_code.counted(launches):
        compiler.compiled(Net(), DEFAULT)(torch.ones(8, 64))
    assert launches.per_call == 2


def test_code_that_is_generated_only_to_be_timed_launches_nothing_later() -> None:
    code = "def call(args):\n    triton_poi_fused_0.run(buf0, stream=stream0)\n"
    launches = generated_code.Launches()
    with V.set_graph_handler(SimpleNamespace(name="benchmark_decompose_k_0")):
        launches.add(code)
    assert launches.per_call is None
    launches.add(code + "    extern_kernels.mm(buf0, out=buf1)\n    triton_tem_fused_1.run(buf1)\n")
    assert launches.per_call == 2


@pytest.mark.parametrize(("on", "precision"), [(True, "tf32"), (False, "ieee")])
@pytest.mark.usefixtures("restored_flags")
def test_tf32_is_set_for_all_who_read_it_by_old_flags_or_new(on: bool, precision: str) -> None:
    backends = torch.backends
    compiler.set_tf32(on=on)
    flags = environment.flags()
    read_by_inductor = backends.cudnn.fp32_precision, backends.cudnn.allow_tf32
    read_by_others = backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()
    assert flags["matmul fp32_precision"] == flags["conv fp32_precision"] == precision
    assert read_by_inductor == (precision, on)
    assert read_by_others == (on, "high" if on else "highest")


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
    assert compiler.compiled(module, recipes.EAGER) is module


@pytest.mark.usefixtures("restored_flags")
@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16", "float32", "ieee"])
def test_every_precision_on_a_cpu_is_set_or_refused(precision: str) -> None:
    cpu = Cpu()
    if precision == "tf32":
        with pytest.raises(compiler.UnsupportedCaseError, match="TF32 exists"):
            compiler.set_precision("tf32", cpu)
    else:
        compiler.set_precision(precision, cpu)  # type: ignore[arg-type]
