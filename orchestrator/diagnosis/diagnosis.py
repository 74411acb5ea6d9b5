"""What is known of a host -> whether it can measure, line by line, with what mends it (pure).

Facts that nobody could learn are None, and such a line says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.diagnosis.checks import Check
from orchestrator.diagnosis.torch_builds import INDUCTOR_CAPABILITY, Build, version
from orchestrator.inventory.machines import ONE_GPU_EACH

# Beyond this, certificates of package indexes and of the Hub begin to look expired or premature.
MAX_SKEW_S: Final = 60.0
# What an engine writes beside an image: the container's log, the records' copy, compiled kernels.
SPARE_BYTES: Final = 2 << 30
_TOOLKIT: Final = (
    "sudo apt-get install -y nvidia-container-toolkit && "
    "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
)
# Good for every CUDA that an image may have, and the last branch for a V100.
_DRIVER: Final = "sudo apt-get install -y nvidia-driver-580-server && sudo reboot"
_OTHER_IMAGE: Final = "docker build -t torch-compile-benchmark .   # here, and push that"
_NO_LOCK: Final = "make lock-torch writes the lock that it lacks"
_APART: Final = Check(
    "Machine", "bad", 'this one, which host "local" measures: they would compete for it',
    "python orchestrate.py --hosts local   # and the other host in a run of its own",
)  # fmt: skip
_MORE_ROOM: Final = "docker system prune --all   # removes every image that no container uses"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, as nvidia-smi describes it."""

    index: str
    uuid: str
    name: str
    driver: str
    capability: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something could not be had, and what to do about it."""

    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What could be learnt of one Docker host.

    `fault` ended the asking: nothing behind it could be learnt. `wanted` are the indices or UUIDs
    of the GPUs to measure on; none means the CPU. `gpus` is empty where there is a driver without
    any; `driver_fault` is what nvidia-smi said when it failed. `image_fault` is why the image that
    is there is not the one that is wanted; a `pinned` one is taken by its digest and not built.
    `torch_lock` is the file of hashes that its PyTorch is held against, empty for none. With
    `beside_local` it is the machine that host "local" is to measure as well; a `twin` is another
    name of it that is to measure the same.
    """

    address: str
    ssh: bool
    wanted: tuple[str, ...]
    build: Build
    fault: Fault | None = None
    reached: bool = False
    engine: str | None = None
    gpu_runtime: bool | None = None
    gpus: tuple[Gpu, ...] | None = None
    driver_fault: str = ""
    free_bytes: int | None = None
    image_bytes: int | None = None
    image_fault: str = ""
    pinned: bool = False
    torch_lock: str | None = None
    skew_s: float | None = None
    beside_local: bool = False
    twin: str = ""


def diagnose(facts: Facts) -> tuple[Check, ...]:
    """Judge a Docker host."""
    checks = [*_connection(facts)]
    if facts.fault is not None:
        return tuple(checks)
    if facts.beside_local:
        checks.append(_APART)
    if facts.twin:
        checks.append(_same(facts))
    if facts.wanted:
        checks += [_runtime(facts), *_gpus(facts)]
    return (*checks, _disk(facts), _image(facts), _clock(facts))


def _connection(facts: Facts) -> list[Check]:
    """SSH and the engine: a fault lies in one of the two."""
    checks = []
    if facts.ssh:
        if not facts.reached and facts.fault is not None:
            return [Check("SSH", "bad", facts.fault.sentence, facts.fault.advice)]
        checks.append(Check("SSH", "good", facts.address))
    if facts.fault is not None:
        return [*checks, Check("Docker engine", "bad", facts.fault.sentence, facts.fault.advice)]
    where = "" if facts.ssh else f" at {facts.address}"
    return [*checks, Check("Docker engine", "good", f"{facts.engine}{where}")]


def _same(facts: Facts) -> Check:
    what, mend = ("GPU", ONE_GPU_EACH) if facts.wanted else ("CPU", "Name it once.")
    found = f'that of host "{facts.twin}" as well: both would measure the same {what} at once'
    return Check("Machine", "bad", found, mend)


def _runtime(facts: Facts) -> Check:
    subject = "NVIDIA runtime"
    match facts.gpu_runtime:
        case None:
            return Check(subject, "unknown", "cannot be asked for over this connection")
        case True:
            return Check(subject, "good", "containers can be given GPUs")
        case False:
            return Check(subject, "bad", "the NVIDIA Container Toolkit is not set up", _TOOLKIT)


def _gpus(facts: Facts) -> list[Check]:
    subject = "GPU and driver"
    if facts.driver_fault:
        return [Check(subject, "bad", facts.driver_fault, _DRIVER)]
    if facts.gpus is None:
        return [Check(subject, "unknown", "cannot be asked for over this connection")]
    if any(name.startswith("MIG-") for name in facts.wanted):
        return [Check(subject, "unknown", "nvidia-smi does not list the parts of a GPU")]
    named = {name: gpu for gpu in facts.gpus for name in (gpu.index, gpu.uuid)}
    if absent := [name for name in facts.wanted if name not in named]:
        there = wording.listed([gpu.index for gpu in facts.gpus]) or "none"
        found = f"no GPU {wording.listed(absent)} here; there is {there}"
        return [Check(subject, "bad", found, "nvidia-smi -L   # then correct gpu in hosts.toml")]
    return gpu_checks([named[name] for name in facts.wanted], facts.build, facts.build.remedy)


def gpu_checks(gpus: Sequence[Gpu], build: Build, remedy: Callable[[str], str]) -> list[Check]:
    """Judge GPUs, one at least, and their driver by a build of PyTorch.

    Args:
        remedy: capability -> what to do where the build has no code for it.
    """
    different = {gpu.capability: gpu for gpu in gpus}
    judged = [_capability(gpu.capability, build, remedy) for gpu in different.values()]
    return [_driver(gpus, build), *judged]


def _driver(gpus: Sequence[Gpu], build: Build) -> Check:
    subject = "GPU and driver"
    names = wording.listed(list(dict.fromkeys(wording.device(gpu.name) for gpu in gpus)))
    found = f"{names}, driver {gpus[0].driver}"
    if build.driver is None:
        return Check(subject, "unknown", f"{found}; what PyTorch {build.label} needs is not known")
    if version(gpus[0].driver) < version(build.driver):
        needs = f"CUDA {build.cuda} needs {build.driver} or newer"
        return Check(subject, "bad", f"{found}; {needs}", _DRIVER)
    return Check(subject, "good", f"{found}, enough for CUDA {build.cuda}")


def _capability(capability: str | None, build: Build, remedy: Callable[[str], str]) -> Check:
    subject = "Compute capability"
    if capability is None or not build.capabilities:
        return Check(subject, "unknown", capability or "nvidia-smi does not tell it")
    if version(capability) < version(INDUCTOR_CAPABILITY):
        found = f"{capability}; torch.compile needs {INDUCTOR_CAPABILITY} or newer"
        return Check(subject, "bad", found, "Measure on a newer GPU.")
    if build.runs_on(capability):
        return Check(subject, "good", f"{capability}, in PyTorch {build.label}")
    listed = wording.listed(build.capabilities)
    found = f"{capability}; PyTorch {build.label} is built for {listed}"
    return Check(subject, "bad", found, remedy(capability))


def _disk(facts: Facts) -> Check:
    subject = "Free disk"
    if facts.free_bytes is None:
        return Check(subject, "unknown", "cannot be asked for over this connection")
    need = SPARE_BYTES + (0 if facts.image_bytes is not None else facts.build.image_bytes)
    what = "the run" if facts.image_bytes is not None else "the image and the run"
    found = f"{wording.data_size(facts.free_bytes)} where the engine keeps its images"
    if facts.free_bytes < need:
        return Check(subject, "bad", f"{found}; {what} need {wording.data_size(need)}", _MORE_ROOM)
    return Check(subject, "good", found)


def _image(facts: Facts) -> Check:
    unverified = f"; no hash verifies its PyTorch: {_NO_LOCK}" if facts.torch_lock == "" else ""
    if facts.image_fault and facts.pinned:
        return Check("Image", "bad", facts.image_fault, _OTHER_IMAGE)
    if facts.image_fault:
        found = f"{facts.image_fault}: the first run builds it, in minutes"
        return Check("Image", "unknown", found + unverified)
    if facts.image_bytes is None:
        found = "not here yet: the first run brings it, in minutes"
        return Check("Image", "unknown", found + unverified)
    return Check("Image", "good", f"here, {wording.data_size(facts.image_bytes)}{unverified}")


def _clock(facts: Facts) -> Check:
    subject = "Clock"
    if facts.skew_s is None:
        return Check(subject, "unknown", "the engine does not tell its time")
    found = f"{abs(facts.skew_s):.0f} s {'ahead of' if facts.skew_s > 0 else 'behind'} this machine"
    if abs(facts.skew_s) > MAX_SKEW_S:
        return Check(subject, "bad", found, "sudo timedatectl set-ntp true", optional=True)
    return Check(subject, "good", found if abs(facts.skew_s) >= 1 else "right")
