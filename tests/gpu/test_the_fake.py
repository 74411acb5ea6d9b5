"""What the fake GPU poses as, and every trouble that it can stage, as torch and NVML see them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.fake_gpu import build
from tests.fake_gpu.machine import KINDS, FakeMachine, StagingError
from tests.gpu import conftest
from tests.gpu.conftest import Factory

ROOT = Path(__file__).parents[2]
# What the scripts have in common: `tell` prints the answer, `error_of` what a call raised, and the
# two libraries are there for calls that torch would not make.
PREAMBLE = """
import ctypes, json, os, sys, time
def tell(**found):
    print(json.dumps(found), flush=True)
def error_of(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return ""
def runtime():
    return ctypes.CDLL("libcudart.so.13")
def driver():
    return ctypes.CDLL("libcuda.so.1")
def open_devices():
    names = []
    for each in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink("/proc/self/fd/" + each))
        except OSError:
            pass
    return sorted({os.path.basename(name) for name in names if "/dev/nvidia" in name})
"""


def start(machine: FakeMachine, script: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | machine.environment() | environment,
    )


def end(process: subprocess.Popen[str], timeout_s: float = 120) -> dict[str, Any]:
    """What a script told last."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    assert process.returncode == 0, err[-3000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def run(machine: FakeMachine, script: str, **environment: str) -> dict[str, Any]:
    return end(start(machine, script, **environment))


def nvidia_smi(machine: FakeMachine, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["nvidia-smi", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | machine.environment(),
        timeout=30,
    )
    return done.returncode, done.stdout.strip()


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
        begun.record()
        torch.cuda._sleep(14_100_000)
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
    assert 10 <= found["ms"] < 12, "14.1 million cycles at 1.41 GHz"
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
        torch.cuda._sleep(141_000_000)
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


def test_memory_ends_for_tensors_workspaces_modules_graphs_and_cublas(
    fake_machine: Factory,
) -> None:
    machine = fake_machine(
        memory_mb=1000, workspace_mb=2000, oom_at="module,capture,instantiate,cublas"
    )
    found = run(
        machine,
        """
        import torch
        x = torch.randn(1, 3, 32, 32, device="cuda")
        weights = torch.randn(8, 3, 3, 3, device="cuda")
        def capture(what):
            def call():
                with torch.cuda.graph(torch.cuda.CUDAGraph()):
                    what()
            return call
        module = ctypes.c_void_p()
        image = ctypes.create_string_buffer(b"//", 64)
        tell(fits=error_of(lambda: torch.empty(600 << 20, dtype=torch.uint8, device="cuda")),
             tensor=error_of(lambda: torch.empty(800 << 20, dtype=torch.uint8, device="cuda")),
             workspace=error_of(lambda: torch.nn.functional.conv2d(x, weights)),
             cublas=error_of(lambda: weights[0, 0] @ weights[0, 0]),
             capture=error_of(capture(lambda: torch.empty(64 << 20, device="cuda"))),
             graph=error_of(capture(lambda: x.sin_())),
             module=driver().cuModuleLoadData(ctypes.byref(module), image))
        """,
    )
    assert found["fits"] == ""
    assert found["tensor"].startswith("OutOfMemoryError: CUDA out of memory. Tried to allocate 800")
    assert "unable to find an engine" in found["workspace"]
    assert "CUBLAS_STATUS_ALLOC_FAILED" in found["cublas"]
    assert "out of memory" in found["capture"]
    assert "out of memory" in found["graph"]
    assert found["module"] == 2


def test_throttling_by_launches_slows_kernels_and_shows_in_nvml(fake_machine: Factory) -> None:
    machine = fake_machine(throttle="0x40@100-200;0x4@300", slowdown_percent=200, kernel_ns=100000)
    watched = start(
        machine,
        """
        import torch
        x = torch.empty(10, device="cuda")
        torch.cuda.synchronize()
        def ms():
            begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begun.record()
            for _ in range(50):
                x.sin_()
            ended.record()
            torch.cuda.synchronize()
            return begun.elapsed_time(ended)
        import pynvml
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        rows = []
        for _ in range(7):
            rows.append([ms(), pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
                         pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)])
        tell(rows=rows)
        """,
    )
    rows = end(watched)["rows"]
    assert [bits for _, bits, _ in rows] == [0, 0x40, 0x40, 0, 0, 0x4, 0x4]
    assert [mhz for _, _, mhz in rows] == [1410, 705, 705, 1410, 1410, 705, 705]
    calm, hot = rows[0][0], rows[2][0]
    assert 1.8 < hot / calm < 2.2
    assert machine.launches() == 350


def test_throttling_can_be_set_while_something_runs(fake_machine: Factory) -> None:
    machine = fake_machine(gpus=2)
    script = """
        import pynvml
        pynvml.nvmlInit()
        tell(bits=[pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(
            pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(2)])
    """
    machine.set_throttle("0x8@0-3600s", gpu=1)
    assert run(machine, script) == {"bits": [0, 8]}
    machine.set_throttle("0x20")
    machine.set_throttle("0x0", gpu=1)
    assert run(machine, script) == {"bits": [0x20, 0]}


def test_a_gpu_falls_off_the_bus_in_mid_case_and_stays_lost(fake_machine: Factory) -> None:
    machine = fake_machine(lost_after=200)
    script = """
        import torch
        x = torch.empty(10, device="cuda")
        def work():
            for _ in range(1000):
                x.sin_()
            torch.cuda.synchronize()
        tell(first=error_of(work), again=error_of(torch.cuda.synchronize))
    """
    found = run(machine, script)
    assert "unspecified launch failure" in found["first"]
    assert "unspecified launch failure" in found["again"]
    assert machine.launches() < 250
    assert nvidia_smi(machine, "-L") == (255, "Failed to initialize NVML: Unknown Error")
    new = """
        import pynvml
        tell(driver=driver().cuInit(0), nvml=error_of(pynvml.nvmlInit))
    """
    assert run(machine, new) == {"driver": 999, "nvml": "NVMLError_Unknown: Unknown Error"}
    machine.restore()
    assert run(machine, new) == {"driver": 0, "nvml": ""}


def test_of_two_gpus_one_can_be_lost(fake_machine: Factory) -> None:
    machine = fake_machine(gpus=2)
    machine.lose(1)
    script = """
        import pynvml
        pynvml.nvmlInit()
        tell(driver=driver().cuInit(0),
             nvml=[error_of(lambda: pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(2)])
    """
    assert run(machine, script)["driver"] == 999
    found = run(machine, script, CUDA_VISIBLE_DEVICES="0")
    assert found == {"driver": 0, "nvml": ["", "NVMLError_GpuIsLost: GPU is lost"]}
    code, said = nvidia_smi(machine, "-L")
    assert code == 15
    assert "GPU is lost" in said


def test_a_gpu_hangs_until_the_process_is_killed_or_the_gpu_is_lost(fake_machine: Factory) -> None:
    machine = fake_machine(hang_after=50)
    waiting = start(
        machine,
        """
        import torch
        x = torch.empty(10, device="cuda")
        tell(begun=True)
        def work():
            for _ in range(100):
                x.sin_()
            torch.cuda.synchronize()
        tell(error=error_of(work))
        """,
    )
    assert waiting.stdout is not None
    assert json.loads(waiting.stdout.readline()) == {"begun": True}
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1.5)
    machine.lose()
    assert "unspecified launch failure" in end(waiting)["error"]


@pytest.mark.parametrize(
    ("trouble", "raised", "code", "said"),
    [
        ("missing", "NVMLError_LibraryNotFound", 12, "couldn't find libnvidia-ml.so"),
        ("refused", "NVMLError_NoPermission", 4, "Insufficient Permissions"),
        ("not_loaded", "NVMLError_DriverNotLoaded", 9, "communicate with the NVIDIA driver"),
        ("mismatch", "NVMLError_LibRmVersionMismatch", 18, "Driver/library version mismatch"),
        ("unknown", "NVMLError_Unknown", 255, "Unknown Error"),
    ],
)
def test_nvml_is_missing_or_refuses(
    fake_machine: Factory, trouble: str, raised: str, code: int, said: str
) -> None:
    machine = fake_machine(nvml=trouble)
    found = run(machine, "import pynvml\ntell(error=error_of(pynvml.nvmlInit))")
    assert found["error"].split(":")[0] == raised
    smi = nvidia_smi(machine, "-L")
    assert smi[0] == code
    assert said in smi[1]


def test_cupti_is_missing_refuses_or_sees_nothing(fake_machine: Factory) -> None:
    script = """
        import torch
        from torch.profiler import ProfilerActivity, profile
        x = torch.empty(10, device="cuda")
        def trace():
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                x.sin_()
                torch.cuda.synchronize()
            return profiler
        error = error_of(trace)
        seen = 0 if error else len(trace().events() or ())
        tell(error=error, seen=seen)
    """
    troubles = ("missing", "refused", "blind")
    tracing = [start(fake_machine(cupti=trouble), script) for trouble in troubles]
    for trouble, process in zip(troubles, tracing, strict=True):
        assert end(process)["seen"] == 0, trouble


def test_other_processes_hold_memory_and_a_container_sees_foreign_ids(
    fake_machine: Factory,
) -> None:
    machine = fake_machine(pid_offset=1_000_000)
    machine.add_process(4242, 30 << 30)
    found = run(
        machine,
        """
        import pynvml, torch
        x = torch.empty(100 << 20, dtype=torch.uint8, device="cuda")
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        users = {p.pid: p.usedGpuMemory for p in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)}
        tell(pid=os.getpid(), users=users, free=torch.cuda.mem_get_info()[0],
             much=error_of(lambda: torch.empty(12 << 30, dtype=torch.uint8, device="cuda")))
        """,
    )
    own = found["pid"] + 1_000_000
    assert found["users"] == {"4242": 30 << 30, str(own): 400 << 20}
    assert found["free"] == (10 << 30) - (400 << 20)
    assert found["much"].startswith("OutOfMemoryError")
    machine.remove_process(4242)
    assert nvidia_smi(machine, "--query-gpu=memory.used", "--format=csv,noheader") == (0, "0 MiB")


def test_a_driver_is_too_old_or_not_there(fake_machine: Factory) -> None:
    script = """
        import torch
        tell(there=torch.cuda.is_available(), error=error_of(lambda: torch.empty(1, device="cuda")))
    """
    machines = [fake_machine(driver=version) for version in (12040, 0)]
    old, none = (start(machine, script, PYTHONWARNINGS="ignore") for machine in machines)
    for process, said in (
        (old, "too old (found version 12040)"),
        (none, "Found no NVIDIA driver on your system"),
    ):
        found = end(process)
        assert not found["there"]
        assert said in found["error"]


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


def test_a_short_queue_makes_the_host_wait(fake_machine: Factory) -> None:
    found = run(
        fake_machine(queue=8),
        """
        import torch
        x = torch.empty(10, device="cuda")
        def enqueue_s(launches):
            torch.cuda.synchronize()
            torch.cuda._sleep(282_000_000)
            begun = time.monotonic()
            for _ in range(launches):
                x.sin_()
            return time.monotonic() - begun
        enqueue_s(1)
        tell(short=enqueue_s(5), long=enqueue_s(20))
        """,
    )
    assert found["short"] < 0.1
    assert found["long"] > 0.1, "the device sleeps for 0.2 s"


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


IN_A_CHILD = """
library, count = driver(), ctypes.c_int()
if "init" in sys.argv:
    library.cuInit(0)
child = os.fork()
if not child:
    os._exit(runtime().cudaGetDeviceCount(ctypes.byref(count)))
deadline = time.monotonic() + 1
status = None
while time.monotonic() < deadline and status is None:
    ended, code = os.waitpid(child, os.WNOHANG)
    status = os.waitstatus_to_exitcode(code) if ended else None
    time.sleep(0.01)
if status is None:
    os.kill(child, 9)
tell(status=status)
"""


@pytest.mark.parametrize(
    ("initialised", "behaviour", "status"),
    [(False, None, 0), (True, None, 3), (False, "refuse", 3), (False, "hang", None)],
)
def test_cuda_in_a_forked_child(
    fake_machine: Factory, initialised: bool, behaviour: str | None, status: int | None
) -> None:
    machine = fake_machine(**({"fork": behaviour} if behaviour else {}))
    script = IN_A_CHILD.replace('"init" in sys.argv', str(initialised))
    assert run(machine, script) == {"status": status}


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


def test_a_call_of_what_the_fake_lacks_is_kept_and_fails_a_test(tmp_path: Path) -> None:
    if conftest.is_real():
        pytest.skip("this machine has a real GPU")
    machine = FakeMachine(tmp_path)
    found = run(
        machine,
        """
        library = runtime()
        library.cudaMallocAsync
        looked_up = os.path.exists(os.environ["FAKE_GPU_STATE"] + "/missing")
        tell(looked_up=looked_up, status=library.cudaMallocAsync(None, 0, None))
        """,
    )
    assert found == {"looked_up": False, "status": 801}
    assert machine.missing() == ["cudaMallocAsync"]
    with pytest.raises(AssertionError, match="cudaMallocAsync"):
        conftest.refuse_missing([machine])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a100", "--", "sh", "-c", "exit 7"], 7, ""),
        (["a100", "--", "sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM, ""),
        (
            ["a100", "--gpus", "2", "--stage", "queue=7", "--", "sh", "-c", "exit $FAKE_GPU_QUEUE"],
            7,
            "",
        ),
        (["rtx", "--", "true"], 2, "no fake GPU is called 'rtx'"),
        (["a100", "--gpus", "9", "--", "true"], 2, "9 GPUs of a100 cannot be"),
        (["a100", "--stage", "fire=1", "--", "true"], 2, "nothing called 'fire' can be staged"),
        (["a100", "--stage", "nvml=tired", "--", "true"], 2, "nvml=tired cannot be staged"),
        (["a100", "--stage", "nvml", "--", "true"], 2, "takes NAME=VALUE"),
        (["a100"], 2, "say what to run"),
        (["a100", "--", "no-such-command"], 2, "cannot run no-such-command"),
    ],
)
def test_the_command(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fake_gpu", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == bool(said)


def test_two_who_build_at_once_do_not_harm_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = tmp_path / "key"

    def overtaken(site: Path, made: Path, work: Path) -> None:
        (made / "lib").mkdir(parents=True)
        (finished / "lib" / "of-the-first").mkdir(parents=True)

    monkeypatch.setattr(build, "_build_into", overtaken)
    build._build_aside(tmp_path, finished)
    assert [each.name for each in (finished / "lib").iterdir()] == ["of-the-first"]
    assert list(tmp_path.iterdir()) == [finished], "nothing is left behind"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(site: Path, made: Path, work: Path) -> None:
        made.mkdir()
        raise build.BuildError("g++ failed")

    monkeypatch.setattr(build, "_build_into", broken)
    with pytest.raises(build.BuildError, match="failed"):
        build._build_aside(tmp_path, tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_that_is_none_is_refused(fake_machine: Factory) -> None:
    with pytest.raises(StagingError, match="throttle=hot cannot be staged"):
        fake_machine().set_throttle("hot")
