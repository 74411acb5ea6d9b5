"""A machine with fake GPUs: what a test stages on it, and does to it while something runs."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fake_gpu import build

KINDS: Final = ("a100", "v100", "t4", "h100", "b200")
MOST_GPUS: Final = 8
PRELOADED: Final = (
    "libcudnn.so.9",
    "libcudart.so.13",
    "libcublasLt.so.13",
    "libcublas.so.13",
    "libcupti.so.13",
)
# Those that NVIDIA's MIG can divide.
DIVISIBLE: Final = ("a100", "h100", "b200")
_NUMBER: Final = r"\d{1,12}"
_SPAN: Final = r"\d+(\.\d+)?(-\d+(\.\d+)?)?s?"
_PLACES: Final = r"(module|capture|launch_in_capture|instantiate|cublas|cublas_init)"


class StagingError(ValueError):
    """There is no such machine; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that can be staged: the variable that carries it, and what it may be."""

    variable: str
    pattern: str
    meaning: str


STAGES: Final = {
    "memory_mb": Stage("FAKE_GPU_MEMORY_MB", _NUMBER, "memory of each GPU, in MiB"),
    "context_mb": Stage("FAKE_GPU_CONTEXT_MB", _NUMBER, "memory that a context takes, in MiB"),
    "workspace_mb": Stage("FAKE_GPU_WORKSPACE_MB", _NUMBER, "workspace of a convolution, in MiB"),
    "oom_at": Stage(
        "FAKE_GPU_OOM_AT",
        rf"{_PLACES}(,{_PLACES})*",
        "where memory ends: module, capture, launch_in_capture, instantiate, cublas, cublas_init",
    ),
    "throttle": Stage(
        "FAKE_GPU_THROTTLE",
        rf"(0x[0-9a-fA-F]+|\d+)(@{_SPAN})?(;(0x[0-9a-fA-F]+|\d+)(@{_SPAN})?)*",
        "reasons for lower clocks: BITS[@FROM[-TO]], with ; between, in launches or, with an s "
        "behind, seconds: 0x40@100-200;0x4@300",
    ),
    "slowdown_percent": Stage(
        "FAKE_GPU_SLOWDOWN_PERCENT", _NUMBER, "duration of a kernel while clocks are lower, of 100"
    ),
    "lost_after": Stage(
        "FAKE_GPU_LOST_AFTER",
        r"\d+(@\d)?",
        "LAUNCHES[@GPU] of a process until a GPU is lost: 5000@1",
    ),
    "lost_error": Stage(
        "FAKE_GPU_LOST_ERROR", r"719|999", "what a running process gets then: 719, 999"
    ),
    "lost_init": Stage("FAKE_GPU_LOST_INIT", r"999|100", "what a new process gets then: 999, 100"),
    "lost_nvml": Stage("FAKE_GPU_LOST_NVML", r"999|15", "what nvmlInit gets then: 999, 15"),
    "hang_after": Stage(
        "FAKE_GPU_HANG_AFTER", r"\d+(@\d)?", "LAUNCHES[@GPU] of a process until a GPU hangs: 5000@1"
    ),
    "nvml": Stage(
        "FAKE_GPU_NVML",
        r"missing|refused|not_loaded|mismatch|unknown|lost",
        "NVML's trouble: missing, refused, not_loaded, mismatch, unknown, lost",
    ),
    "cupti": Stage(
        "FAKE_GPU_CUPTI", r"missing|refused|blind", "CUPTI's trouble: missing, refused, blind"
    ),
    "pid_offset": Stage(
        "FAKE_GPU_PID_OFFSET", _NUMBER, "by how much NVML's process ids differ, as in a container"
    ),
    "driver": Stage(
        "FAKE_GPU_DRIVER", _NUMBER, "newest CUDA that the driver knows: 12040; 0: none"
    ),
    "parts": Stage(
        "FAKE_GPU_PARTS", r"[1-7]g\.\d+gb", "MIG parts into which each GPU is divided: 3g.20gb"
    ),
    "queue": Stage("FAKE_GPU_QUEUE", r"[1-9]\d*", "launches that a queue holds"),
    "fork": Stage(
        "FAKE_GPU_FORK", r"refuse|hang", "what a loaded driver does in a forked child: refuse, hang"
    ),
    "kernel_ns": Stage("FAKE_GPU_KERNEL_NS", _NUMBER, "duration of a kernel"),
    "gap_ns": Stage("FAKE_GPU_GAP_NS", _NUMBER, "time between two kernels"),
    "made_up_from": Stage(
        "FAKE_GPU_MADE_UP_FROM", _NUMBER, "from how many bytes on results are made up; 0: never"
    ),
    "verbose": Stage(
        "FAKE_GPU_VERBOSE", r"[0-3]", "how much the fake says on standard error: 0 to 3"
    ),
}


class FakeMachine:
    """A machine whose state is a folder, shared by all processes that get its environment.

    Args:
        folder: made if need be; empty unless the machine is to be taken up again.
        kind: one of KINDS, or several with commas between, one for each GPU.
        gpus: how many; by default as many as `kind` names.
        staged: see STAGES.
    Raises: StagingError; build.BuildError.
    """

    def __init__(
        self, folder: Path, kind: str = "a100", gpus: int | None = None, **staged: str | int
    ) -> None:
        self.folder = folder
        self.kinds = _kinds(kind, gpus)
        self._staged = {name: str(value) for name, value in staged.items()}
        for name, value in self._staged.items():
            _refuse_impossible(name, value, self.kinds)
        self._built = build.build()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "foreign").mkdir(exist_ok=True)
        (folder / "made").touch()

    @property
    def uuids(self) -> list[str]:
        """The UUIDs of its GPUs, in the order of the bus."""
        serial = self._serial()
        count = range(len(self.kinds))
        return [f"GPU-fa4e0000-0000-4000-8000-{serial:08x}00{gpu:02x}" for gpu in count]

    def environment(self) -> dict[str, str]:
        """The variables that put a child process onto this machine, over those of this process."""
        folders = [self._built / "lib"]
        if self._staged.get("nvml") != "missing":
            folders.append(self._built / "nvml")
        preloaded = [str(self._built / "lib" / name) for name in PRELOADED]
        return {
            **{stage.variable: "" for stage in STAGES.values() if stage.variable in os.environ},
            **{STAGES[name].variable: value for name, value in self._staged.items()},
            "FAKE_GPU": ",".join(self.kinds),
            "FAKE_GPU_COUNT": str(len(self.kinds)),
            "FAKE_GPU_SERIAL": str(self._serial()),
            "FAKE_GPU_STATE": str(self.folder),
            "LD_PRELOAD": _joined(preloaded, "LD_PRELOAD"),
            "LD_LIBRARY_PATH": _joined(map(str, folders), "LD_LIBRARY_PATH"),
            "PATH": _joined([str(self._built / "bin")], "PATH"),
            "TRITON_LIBCUDA_PATH": str(self._built / "lib"),
        }

    def missing(self) -> list[str]:
        """Functions that something called and that the fake lacks."""
        try:
            lines = (self.folder / "missing").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return sorted(set(lines))

    def lose(self, gpu: int | None = None) -> None:
        """Let a GPU, or all, fall off the bus: nothing that waits or launches works any more."""
        self._mark("lost", gpu)

    def hang(self, gpu: int | None = None) -> None:
        """Let a GPU, or all, hang: what is launched from now on ends only by `lose`."""
        self._mark("hang", gpu)

    def restore(self) -> None:
        """Restart the machine: processes that begin from now on find all GPUs in order."""
        for pattern in ("lost*", "hang*"):
            for marker in self.folder.glob(pattern):
                marker.unlink()

    def set_throttle(self, schedule: str, gpu: int | None = None) -> None:
        """Set a schedule as `throttle` stages it, at once; "0x0" ends all throttling."""
        _refuse_impossible("throttle", schedule, self.kinds)
        self._write(_named("throttle", gpu), schedule)

    def add_process(self, pid: int, memory_bytes: int, gpu: int = 0) -> None:
        """Let a process that does not exist hold memory of a GPU."""
        self._write(f"foreign/{pid}", f"{gpu} {memory_bytes}\n")

    def remove_process(self, pid: int) -> None:
        """Let it end."""
        (self.folder / "foreign" / str(pid)).unlink()

    def launches(self, gpu: int = 0) -> int:
        """Launches on a GPU since the process that came to it last began to use it."""
        try:
            counters = (self.folder / "shared").read_bytes()
        except FileNotFoundError:
            return 0
        return int.from_bytes(counters[8 * gpu : 8 * gpu + 8], "little")

    def _serial(self) -> int:
        return zlib.crc32(str(self.folder).encode())

    def _mark(self, what: str, gpu: int | None) -> None:
        (self.folder / _named(what, gpu)).touch()

    def _write(self, name: str, text: str) -> None:
        """Write at once: a process that looks meanwhile sees all of it or nothing."""
        fresh = self.folder / f"{name.replace('/', '.')}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.folder / name)


def _named(what: str, gpu: int | None) -> str:
    return what if gpu is None else f"{what}.{gpu}"


def _kinds(kind: str, gpus: int | None) -> tuple[str, ...]:
    named = kind.split(",")
    unknown = [each for each in named if each not in KINDS]
    if unknown:
        raise StagingError(f"no fake GPU is called {unknown[0]!r}; there are {', '.join(KINDS)}")
    count = len(named) if gpus is None else gpus
    if not 1 <= count <= MOST_GPUS or (len(named) > 1 and count != len(named)):
        raise StagingError(
            f"{count} GPUs of {kind} cannot be: name one kind, or one for each of up to {MOST_GPUS}"
        )
    return tuple(named * count if len(named) == 1 else named)


def _refuse_impossible(name: str, value: str, kinds: tuple[str, ...]) -> None:
    """Raises: StagingError for what would silently never happen on a machine of such GPUs."""
    stage = STAGES.get(name)
    if stage is None:
        raise StagingError(f"nothing called {name!r} can be staged; there are {', '.join(STAGES)}")
    if not re.fullmatch(stage.pattern, value):
        raise StagingError(f"{name}={value} cannot be staged: {name} is {stage.meaning}")
    for begin, end in re.findall(r"@([\d.]+)-([\d.]+)", value):
        if float(end) <= float(begin):
            raise StagingError(f"{name}={value} cannot be staged: {begin}-{end} is no span of time")
    gpu = re.search(r"@(\d)$", value) if name in ("lost_after", "hang_after") else None
    if gpu and int(gpu[1]) >= len(kinds):
        raise StagingError(
            f"{name}={value} cannot be staged: there is no GPU {gpu[1]} among {len(kinds)}, "
            "which are counted from 0"
        )
    if name == "parts" and any(kind not in DIVISIBLE for kind in kinds):
        raise StagingError(f"parts={value} cannot be staged: MIG divides {', '.join(DIVISIBLE)}")


def _joined(first: map[str] | list[str], variable: str) -> str:
    """A list for the loader: ours before those of this process that are no fake machine's."""
    others = os.environ.get(variable, "").split(":")
    kept = [each for each in others if each and str(build.CACHE) not in each]
    return ":".join([*first, *kept])
