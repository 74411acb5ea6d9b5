"""Whether CUDA graphs were used, read from where torch keeps and says it; no GPU is needed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from torch._inductor.cudagraph_utils import log_cudagraph_skip_and_bump_counter

from harness.contract import recipes
from harness.devices import cuda
from harness.recipes import compiling as compiler
from harness.recipes import cuda_graphs

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
SCHEDULER = "torch._inductor.scheduler.__cudagraphs"


def test_recipes_record_graphs_and_tune_as_the_options_of_their_modes_say() -> None:
    options = torch._inductor.list_mode_options()
    for recipe in recipes.RECIPES:
        if recipe.generates_code:
            found = options[recipe.name]
            assert recipe.records_cuda_graphs == found.get("triton.cudagraphs", False), recipe
            assert recipe.tunes == found.get("max_autotune", False), recipe


def test_every_other_recipe_is_a_backend_that_torch_has() -> None:
    known = torch._dynamo.list_backends(exclude_tags=())
    for recipe in recipes.RECIPES:
        if not recipe.generates_code:
            assert recipe.backend in known
            assert recipe.records_cuda_graphs == (recipe.backend == "cudagraphs"), recipe
            assert not recipe.tunes


def test_a_process_that_recorded_nothing_has_no_graph() -> None:
    assert cuda_graphs.recorded(GPU) == 0


@dataclass
class Node:
    children: dict[int, list[Node]] = field(default_factory=dict)


def test_every_node_of_every_tree_is_a_recorded_graph() -> None:
    tree = Node({1: [Node(), Node({2: [Node()]})]})
    assert cuda_graphs.count([[tree], [Node()], []]) == 5


def test_torch_still_keeps_its_graphs_where_they_are_counted() -> None:
    """No graph can be recorded here, so at least the names must be there."""
    from torch._inductor.cudagraph_trees import CUDAGraphNode, CUDAGraphTreeManager

    assert "roots" in CUDAGraphTreeManager.__init__.__code__.co_names
    assert "children" in CUDAGraphNode.__init__.__code__.co_names


def test_where_no_graph_was_recorded_there_is_always_a_reason() -> None:
    assert cuda_graphs.reasons(0, []) == (cuda_graphs.NO_REASON,)
    assert cuda_graphs.reasons(0, ["heard"]) == ("heard",)
    assert cuda_graphs.reasons(3, []) == ()
    assert cuda_graphs.reasons(None, []) == ()


def test_the_reasons_for_no_cuda_graph_are_kept_once_each() -> None:
    with cuda_graphs.skips() as reasons:
        for _ in range(2):
            log_cudagraph_skip_and_bump_counter("skipping cudagraphs due to mutated inputs")
        logging.getLogger("torch._inductor.compile_fx").warning("about something else")
    log_cudagraph_skip_and_bump_counter("skipping cudagraphs due to something later")
    assert reasons == ["skipping cudagraphs due to mutated inputs"]
    found = compiler.evidence("inductor", cuda_graphs=0, cuda_graph_skip_reasons=reasons)
    assert found.cuda_graph_skip_reasons == tuple(reasons)
    assert found.cuda_graph_skips >= 2
    assert found.cuda_graphs == 0


def test_what_splits_a_model_into_parts_is_heard_from_the_scheduler_and_said_to_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from torch._inductor import scheduler

    log = scheduler.cudagraphs_log
    assert log.name == SCHEDULER
    assert not log.isEnabledFor(logging.DEBUG)
    with cuda_graphs.skips() as reasons:
        log.debug("Created %d graph partitions: %d cudagraphable", 3, 2)
        for buffer in ("buf1", "buf2"):
            log.debug("    %s: %s", buffer, "reason=DeviceCopy ops, ir=DeviceCopy, fx=to()")
    assert reasons == ["split because of DeviceCopy ops"]
    assert not log.isEnabledFor(logging.DEBUG)
    assert log.propagate
    assert caplog.records == []


def test_older_releases_say_it_as_a_performance_hint() -> None:
    hints = logging.getLogger("torch._inductor.utils.__perf_hints")
    with cuda_graphs.skips() as reasons:
        hints.warning("cudagraph partition due to non gpu ops. Found from : ...")
        hints.warning("possibly bad tiling")
    assert reasons == ["cudagraph partition due to non gpu ops. Found from : ..."]


def test_a_mode_that_asks_for_no_graph_is_not_told_why_it_has_none() -> None:
    with cuda_graphs.skips(asked_for=False) as reasons:
        logging.getLogger(SCHEDULER).warning("cudagraphs: reason=disabled, ir=x")
    assert reasons == []


def test_a_trace_keeps_what_the_gpu_ran_and_counts_launches_of_graphs() -> None:
    kinds = torch._C._autograd.DeviceType

    def event(name: str, kind: object, start_us: float, end_us: float, **more: bool) -> object:
        return SimpleNamespace(
            name=name,
            device_type=kind,
            is_user_annotation=more.get("annotation", False),
            time_range=SimpleNamespace(start=start_us, end=end_us),
        )

    found = cuda.trace_of(
        [
            event("cudaGraphLaunch", kinds.CPU, 0, 5),
            event("cudaLaunchKernel", kinds.CPU, 5, 6),
            event("triton_poi_fused_0", kinds.CUDA, 10, 20),
            event("Memcpy DtoD", kinds.CUDA, 15, 30),
            event("my range", kinds.CUDA, 0, 100, annotation=True),
        ],
        calls=2,
    )
    assert found.graph_launches == 1
    assert found.busy_s == pytest.approx(10e-6)


def test_a_torch_that_cannot_profile_a_gpu_gives_an_empty_trace() -> None:
    if torch.cuda.is_available():
        pytest.skip("this torch can")

    class Waits(cuda.Cuda):
        def synchronize(self) -> None:
            """Nothing to wait for."""

    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert Waits(GPU).trace(lambda: None, 2).busy_s == 0
