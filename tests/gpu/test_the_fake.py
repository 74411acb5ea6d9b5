"""What the fake GPU poses as, in the eyes of torch, NVML and nvidia-smi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fake_gpu.machine import KINDS
from tests.gpu.conftest import Factory
from tests.gpu.fake_scripts import nvidia_smi, run


def test_torch_sees_a_gpu_on_which_work_takes_time(fake_machine: Factory) -> None:
    machine = fake_machine()
    found = run(
        machine,
        """
        import torch
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        weights, bias = torch.randn(8, 3, 3, 3, device="cuda"), torch.randn(8, device="cuda")
        torch.nn.functional.conv2d(torch.randn(1, 3, 32, 32, device="cuda"), weights, bias)
        product = torch.randn(64, 64, device="cuda") @ torch.randn(64, 64, device="cuda")
        torch.cuda._sleep(1)  # what is launched first is looked up first
        begun.record()
        torch.cuda._sleep(141_000_000)
        ended.record()
        early = ended.query()
        torch.cuda.synchronize()
        singles = product.cpu().double()
        again = torch.empty(64, 64, device="cuda").cpu().double()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            product.sin_()
        graph.replay()
        forbidden = []
        def capture():
            with torch.cuda.graph(torch.cuda.CUDAGraph()):
                product.sin_()
                forbidden.append(error_of(torch.cuda.synchronize))
        forbidden.append(error_of(capture))
        properties = torch.cuda.get_device_properties(0)
        tell(name=properties.name, uuid=str(properties.uuid), early=early,
             ms=begun.elapsed_time(ended), agrees=bool((singles == again).all()),
             varies=float(singles.std()), forbidden=forbidden, devices=open_devices())
        """,
    )
    assert found["name"] == "Fake A100-SXM4-40GB"
    assert "GPU-" + found["uuid"] == machine.uuids[0]
    assert not found["early"]
    assert 100 <= found["ms"] < 120, "141 million cycles at 1.41 GHz"
    assert found["agrees"]
    assert found["varies"] > 0
    assert "when stream is capturing" in found["forbidden"][0]
    assert "due to a previous error during capture" in found["forbidden"][1]
    assert found["devices"] == ["nvidia-uvm", "nvidia0", "nvidiactl"]
    assert machine.launches() > 0


def test_compiled_code_runs_with_graphs_and_is_seen_by_the_profiler(
    fake_machine: Factory, tmp_path: Path
) -> None:
    found = run(
        fake_machine(),
        """
        import torch
        from torch.profiler import ProfilerActivity, profile
        layer = torch.nn.Linear(64, 64).eval().cuda()
        x = torch.randn(4, 64, device="cuda")
        with torch.no_grad():
            eager = layer(x).relu()
            call = torch.compile(lambda x: layer(x).relu(), mode="reduce-overhead", dynamic=False)
            for _ in range(3):
                compiled = call(x).clone()
            torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                call(x)
                torch.cuda.synchronize()
        events = profiler.events()
        tell(agrees=torch.equal(eager.cpu(), compiled.cpu()), names=[e.name for e in events],
             on_gpu=sum(e.device_type == torch.autograd.DeviceType.CUDA for e in events))
        """,
        TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "inductor"),
        TRITON_CACHE_DIR=str(tmp_path / "triton"),
        TORCHINDUCTOR_COMPILE_THREADS="1",
    )
    assert found["agrees"]
    assert "cudaGraphLaunch" in found["names"]
    assert any(name.startswith("triton_") for name in found["names"])
    assert found["on_gpu"] >= 2


def test_two_gpus_have_memory_streams_and_names_of_their_own(fake_machine: Factory) -> None:
    machine = fake_machine(gpus=2)
    found = run(
        machine,
        """
        import pynvml, torch
        here = torch.arange(3.0, device="cuda:1")
        there = here.to("cuda:0").to("cuda:1")
        held = torch.empty(100 << 20, dtype=torch.uint8, device="cuda:1")
        torch.cuda.set_device(1)
        stream = torch.cuda.Stream()
        torch.cuda._sleep(1_410_000_000)
        idle_beside = torch.cuda.default_stream(0).query()
        busy = not torch.cuda.default_stream(1).query()
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(2)]
        own = [p.usedGpuMemory >> 20 for h in handles
               for p in pynvml.nvmlDeviceGetComputeRunningProcesses(h) if p.pid == os.getpid()]
        tell(devices=[str(t.device) for t in (here, there, stream)], idle_beside=idle_beside,
             busy=busy, own=own,
             uuids=["GPU-" + str(torch.cuda.get_device_properties(i).uuid) for i in range(2)],
             of_nvml=[pynvml.nvmlDeviceGetUUID(h) for h in handles])
        """,
    )
    assert found["devices"] == ["cuda:1"] * 3
    assert found["idle_beside"]
    assert found["busy"]
    assert found["own"][1] >= found["own"][0] + 100
    assert found["uuids"] == found["of_nvml"] == machine.uuids
    assert len(set(machine.uuids)) == 2


SEEN = """
count = ctypes.c_int()
error = driver().cuInit(0)
found = []
if not error:
    driver().cuDeviceGetCount(ctypes.byref(count))
    for ordinal in range(count.value):
        text = ctypes.create_string_buffer(100)
        driver().cuDeviceGetName(text, 100, ordinal)
        bus = ctypes.c_int()
        driver().cuDeviceGetAttribute(ctypes.byref(bus), 33, ordinal)
        found.append([text.value.decode().split()[1].split("-")[0], (bus.value - 0x3b) // 16])
import pynvml
pynvml.nvmlInit()
tell(error=error, found=found, nvml=pynvml.nvmlDeviceGetCount())
"""


@pytest.mark.parametrize(
    ("visible", "order", "found"),
    [
        (None, "", [["A100", 1], ["A100", 2], ["T4", 0]]),
        (None, "PCI_BUS_ID", [["T4", 0], ["A100", 1], ["A100", 2]]),
        ("2,0", "PCI_BUS_ID", [["A100", 2], ["T4", 0]]),
        ("1, 7, 0", "PCI_BUS_ID", [["A100", 1]]),
        ("UUID", "", [["A100", 2]]),
        ("0,0", "", []),
        ("-1", "", []),
        ("", "", []),
    ],
)
def test_cuda_visible_devices_chooses_as_cuda_does_and_nvml_sees_all(
    fake_machine: Factory, visible: str | None, order: str, found: list[list[Any]]
) -> None:
    machine = fake_machine("t4,a100,a100")
    environment = {"CUDA_DEVICE_ORDER": order}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = machine.uuids[2] if visible == "UUID" else visible
    seen = run(machine, SEEN, **environment)
    assert seen == {"error": 0 if found else 100, "found": found, "nvml": 3}


def test_nvidia_smi_answers_what_is_asked_of_it(fake_machine: Factory) -> None:
    machine = fake_machine(gpus=2)
    first, second = machine.uuids
    assert nvidia_smi(machine, "-L") == (
        0,
        f"GPU 0: Fake A100-SXM4-40GB (UUID: {first})\nGPU 1: Fake A100-SXM4-40GB (UUID: {second})",
    )
    query = "--query-gpu=index,uuid,name,driver_version"
    assert nvidia_smi(machine, query + ",compute_cap", "--format=csv,noheader", "--id=1") == (
        0,
        f"1, {second}, Fake A100-SXM4-40GB, 580.65.06, 8.0",
    )
    old = fake_machine(driver=11030)
    code, said = nvidia_smi(old, query + ",compute_cap", "--format=csv,noheader")
    assert (code, said) == (2, 'Field "compute_cap" is not a valid field to query.')
    assert nvidia_smi(old, query, "--format=csv,noheader")[0] == 0


def test_every_kind_says_that_it_is_a_fake(fake_machine: Factory) -> None:
    for kind in KINDS:
        code, said = nvidia_smi(fake_machine(kind), "--query-gpu=name", "--format=csv,noheader")
        assert code == 0
        assert said.startswith(f"Fake {kind.upper()}")


def test_a_process_sees_one_part_of_a_divided_gpu(fake_machine: Factory) -> None:
    machine = fake_machine(parts="3g.20gb")
    code, said = nvidia_smi(machine, "-L")
    whole, *parts = said.splitlines()
    assert (code, whole) == (0, f"GPU 0: Fake A100-SXM4-40GB (UUID: {machine.uuids[0]})")
    uuids = [line.split("UUID: ")[1].rstrip(")") for line in parts]
    assert [each[:22] for each in parts] == ["  MIG 3g.20gb     Devi"] * 2
    found = run(
        machine,
        """
        import pynvml, torch
        held = torch.empty(100 << 20, dtype=torch.uint8, device="cuda")
        properties = torch.cuda.get_device_properties(0)
        held_by = str(properties.uuid)
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        part = pynvml.nvmlDeviceGetHandleByUUID(os.environ["CUDA_VISIBLE_DEVICES"])
        def users(handle):
            found = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
            return [[p.pid == os.getpid(), p.usedGpuMemory >> 20] for p in found]
        tell(count=torch.cuda.device_count(), name=properties.name, uuid=held_by,
             memory=properties.total_memory >> 30, sms=properties.multi_processor_count,
             users=[users(gpu), users(part)],
             clock=error_of(lambda: pynvml.nvmlDeviceGetClockInfo(part, pynvml.NVML_CLOCK_SM)),
             whole=error_of(lambda: pynvml.nvmlDeviceGetHandleByUUID("GPU-" + held_by)))
        """,
        CUDA_VISIBLE_DEVICES=uuids[1],
    )
    assert found["count"] == 1
    assert found["name"] == "Fake A100-SXM4-40GB MIG 3g.20gb"
    assert "MIG-" + found["uuid"] == uuids[1]
    assert (found["memory"], found["sms"]) == (20, 42)
    assert found["users"] == [[[True, 400]], [[True, 400]]]
    assert found["clock"].startswith("NVMLError_NotSupported")
    assert found["whole"].startswith("NVMLError_NotFound")


def test_only_an_initialised_driver_holds_device_files_open(fake_machine: Factory) -> None:
    found = run(
        fake_machine(),
        """
        library, count = driver(), ctypes.c_int()
        before = [library.cuDeviceGetCount(ctypes.byref(count)), open_devices()]
        tell(before=before, init=library.cuInit(0), count=library.cuDeviceGetCount(
            ctypes.byref(count)), devices=open_devices())
        """,
    )
    assert found["before"] == [3, []]
    assert (found["init"], found["count"]) == (0, 0)
    assert found["devices"] == ["nvidia-uvm", "nvidia0", "nvidiactl"]


def test_what_no_launch_may_have_is_refused(fake_machine: Factory) -> None:
    """Code for another architecture, and more shared memory than a block can get."""
    found = run(
        fake_machine(),
        """
        library = driver()
        library.cuInit(0)
        def cubin(architecture):
            head = bytearray(64)
            head[:4], head[8] = b"\\x7fELF", 8
            head[48:52] = (architecture << 8).to_bytes(4, "little")
            return ctypes.create_string_buffer(bytes(head), 64)
        def load(architecture):
            return library.cuModuleLoadData(ctypes.byref(module), cubin(architecture))
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        loaded = {sm: load(sm) for sm in (75, 86, 90, 80)}
        library.cuModuleGetFunction(ctypes.byref(function), module, b"kernel")
        def launch(shared):
            return library.cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, shared, None, None, None)
        tell(loaded=loaded, launched=[launch(160_000), launch(170_000)])
        """,
    )
    assert found["loaded"] == {"75": 209, "86": 209, "90": 209, "80": 0}
    assert found["launched"] == [0, 1]


def test_a_torch_without_code_for_a_gpu_cannot_launch_on_it(fake_machine: Factory) -> None:
    found = run(
        fake_machine("v100"),
        """
        import torch
        tell(error=error_of(lambda: torch.ones(1, device="cuda")), archs=torch.cuda.get_arch_list())
        """,
        PYTHONWARNINGS="ignore",
    )
    assert ("sm_70" in found["archs"]) is (found["error"] == "")
    assert found["error"] == "" or "no kernel image is available" in found["error"]
