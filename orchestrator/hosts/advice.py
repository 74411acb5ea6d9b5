"""What an engine, ssh or a container says -> one sentence for the user, and what to do (pure)."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.errors import HostError, StillThereError
from orchestrator.hosts import causes
from orchestrator.hosts.engine import ContainerState, EngineError, LinkError
from orchestrator.hosts.image import REPOSITORY
from orchestrator.hosts.image import Kind as ImageKind
from orchestrator.inventory.addresses import Address

# What a probe of ours found, which is no word of anybody's; and a container's long number.
_CODES: Final = re.compile(
    r"^socket: (usable|missing|file|forbidden|deserted)\b|Conflict\. The container"
)
_MAX_CHARACTERS: Final = 600


def explain(
    name: str,
    address: Address,
    error: EngineError,
    *,
    run: str = "RUN",
    image: ImageKind | None = None,
) -> HostError:
    """Say what is wrong with a host, in its own words where nothing better is known.

    Args:
        image: where its image was to come from, if that is what went wrong.
    """
    sentence, told = cause(address, error, run=run, image=image)
    return HostError(f'host "{name}" ({address}): {sentence}', told)


def cause(
    address: Address, error: EngineError, *, run: str = "RUN", image: ImageKind | None = None
) -> tuple[str, str]:
    """What is wrong, and what to do about it, without saying where."""
    of_image = image is not None and not isinstance(error, LinkError)
    table = (*causes.OF_IMAGES, *causes.OF_HOSTS) if of_image else causes.OF_HOSTS
    for words, sentence, advice in table:
        if found := re.search(words, error.text):
            told = advice.format(
                host=_ssh_words(address),
                name=address.host or "HOST",
                run=run,
                look=look(address),
                socket=found.groupdict().get("socket"),
                found=found.groupdict().get("remedy"),
                remedy=causes.REMEDIES.get(image or "", ""),
                repository=REPOSITORY,
            )
            said = "" if _CODES.search(error.text) else f" ({_short(error)})"
            return f"{sentence}{said}", told
    kind = "it cannot be reached" if isinstance(error, LinkError) else "Docker refused"
    return f"{kind}: {_short(error)}", ""


def is_understood(error: EngineError) -> bool:
    """Whether the words of an engine are known, so that asking again would bring the same."""
    tables = (*causes.OF_IMAGES, *causes.OF_HOSTS)
    return any(re.search(words, error.text) for words, _, _ in tables)


def look(address: Address) -> str:
    """The command with which to look at an engine by hand."""
    if address.scheme == "ssh":
        return f"ssh {_ssh_words(address)} docker info"
    return f"docker -H {address} info"


def beside_local(name: str, address: Address) -> HostError:
    """Its engine is one of the machine that host "local" measures without Docker."""
    return HostError(
        f'host "{name}" ({address}) is this machine, which host "local" measures: they would '
        "compete for its cores and its GPU",
        "Measure one after the other, in two runs",
    )


def no_nvidia(name: str, address: Address) -> HostError:
    """The engine of a host that is to measure a GPU has no way to give it one."""
    sentence = "Docker cannot give GPUs to containers there (no NVIDIA runtime, no toolkit)"
    return HostError(f'host "{name}" ({address}): {sentence}', causes.NVIDIA)


def still_there(name: str, run: str, attempt: str, *, running: bool) -> StillThereError:
    """An earlier attempt of the run is at work there, or has said what nobody has fetched yet."""
    does = "still measures for this run" if running else "still has what it measured for this run"
    return StillThereError(
        f'host "{name}" {does}, so nothing was started there',
        f"Follow it:  python orchestrate.py attach {run}",
        attempt,
    )


def ended(name: str, state: ContainerState, *, run: str, memory_bytes: int = 0) -> HostError | None:
    """What a harness's end means, where it is more than its records say."""
    if state.out_of_memory and state.exit_code not in (0, 1):
        gib = memory_bytes / 2**30
        return HostError(
            f'host "{name}": the kernel killed the harness because its memory did not suffice'
            + (f" (its limit is {gib:.1f} GiB)" if memory_bytes else ""),
            "Measure smaller batch sizes, or take a machine with more memory",
            "oom",
        )
    if state.exit_code in (0, 1):
        return None
    if state.exit_code == 2:
        return HostError(
            f'host "{name}": its harness cannot use the plan',
            "The image may be older than this checkout; logs/ of the run says more",
            "error",
        )
    how = _SIGNALS.get(state.exit_code, f"ended with exit code {state.exit_code}")
    return HostError(
        f'host "{name}": the harness {how}{f" ({state.error})" if state.error else ""}',
        f"logs/ of the run says more; measure the rest:  python orchestrate.py --resume {run}",
        "crash",
    )


def gone(name: str, run: str) -> HostError:
    """The container was removed behind our back."""
    return HostError(
        f'host "{name}": somebody removed the container while it measured',
        f"Measure the rest:  python orchestrate.py --resume {run}",
        "crash",
    )


_SIGNALS: Final = {137: "was killed from outside", 143: "was stopped from outside"}


def _ssh_words(address: Address) -> str:
    port = f"-p {address.port} " if address.port else ""
    return f"{port}{address.destination}" if address.scheme == "ssh" else str(address)


def _short(error: EngineError) -> str:
    return " ".join(error.text.split())[:_MAX_CHARACTERS]
