"""Every trouble that the fake GPU can stage, as torch, CUDA and NVML see it."""

from __future__ import annotations

import pytest

from tests.gpu.conftest import Factory
from tests.gpu.fake_scripts import end, nvidia_smi, run, start


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
    machine = fake_machine(
        throttle="0x40@100-200;0x4@300", slowdown_percent=200, kernel_ns=1_000_000
    )
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


@pytest.mark.parametrize("refusal", ["missing", "refused"])
def test_cupti_is_missing_or_refuses(fake_machine: Factory, refusal: str) -> None:
    """CUPTI by itself: 15 is NOT_INITIALIZED, 35 INSUFFICIENT_PRIVILEGES."""
    found = run(
        fake_machine(cupti=refusal),
        """
        library, handle = ctypes.CDLL("libcupti.so.13"), ctypes.c_void_p()
        tell(status=library.cuptiSubscribe(ctypes.byref(handle), None, None),
             kernels=library.cuptiActivityEnable(10))
        """,
    )
    status = {"missing": 15, "refused": 35}[refusal]
    assert found == {"status": status, "kernels": status}


def test_profilers_see_nothing_without_cupti(fake_machine: Factory) -> None:
    """One process for all that can be staged: torch takes seconds to load, its children none."""
    found = run(
        fake_machine(),
        """
        import torch, torch._dynamo
        from torch.profiler import ProfilerActivity, profile
        def seen():
            x = torch.empty(10, device="cuda")
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                x.sin_()
                torch.cuda.synchronize()
            return len(profiler.events() or ())
        found = {}
        for trouble in ("", "missing", "refused", "blind"):
            child = os.fork()
            if not child:
                os.environ["FAKE_GPU_CUPTI"] = trouble
                os._exit(seen())
            found[trouble] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tell(**found)
        """,
    )
    assert found.pop("") > 0
    assert found == {"missing": 0, "refused": 0, "blind": 0}


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


def test_a_short_queue_makes_the_host_wait(fake_machine: Factory) -> None:
    found = run(
        fake_machine(queue=8),
        """
        import torch
        x = torch.empty(10, device="cuda")
        def enqueue_s(launches):
            torch.cuda.synchronize()
            torch.cuda._sleep(705_000_000)
            begun = time.monotonic()
            for _ in range(launches):
                x.sin_()
            return time.monotonic() - begun
        enqueue_s(1)
        tell(short=enqueue_s(5), long=enqueue_s(20))
        """,
    )
    assert found["short"] < 0.25
    assert found["long"] > 0.25, "the device sleeps for 0.5 s"


IN_A_CHILD = """
library, count = driver(), ctypes.c_int()
if "init" in sys.argv:
    library.cuInit(0)
child = os.fork()
if not child:
    os._exit(runtime().cudaGetDeviceCount(ctypes.byref(count)))
deadline = time.monotonic() + (1 if os.environ.get("FAKE_GPU_FORK") == "hang" else 30)
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
