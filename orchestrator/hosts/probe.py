"""What a shell on a host can tell that its engine cannot: GPUs, driver, free disk.

One script, run over SSH or on this machine, answers in lines of `key value`; reading them is pure.
"""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from typing import Final

from orchestrator.diagnosis.diagnosis import Gpu

# nvidia-smi hangs for minutes on a broken driver. compute_cap came with driver 470.
_SCRIPT: Final = """\
ask() { timeout 20 nvidia-smi --query-gpu=index,uuid,name,driver_version$1 --format=csv,noheader; }
if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo 'smi there is no NVIDIA driver: nvidia-smi is missing'
elif gpus=$(ask ,compute_cap 2>/dev/null) || gpus=$(ask 2>&1); then
  printf '%s\\n' "$gpus" | sed 's/^/gpu /'
  echo 'smi'
else
  printf 'smi %s\\n' "${gpus:-nvidia-smi gives no answer}" | head -n 1
fi
TOOLKIT
df -Pk -- ROOT 2>/dev/null | awk 'NR == 2 { print "free", $4 }'
echo "boot $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
echo 'end'
"""
_TOOLKIT: Final = "command -v nvidia-container-runtime-hook >/dev/null 2>&1 && echo 'toolkit'"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a shell found. `driver_fault` is what nvidia-smi said when it failed; `free_bytes` is
    None where the folder cannot be seen; `boot` is a number that a machine has until it restarts.
    """

    gpus: tuple[Gpu, ...]
    driver_fault: str
    toolkit: bool
    free_bytes: int | None
    boot: str = ""


def script(root: str) -> str:
    """The script for `sh`; `root` is the folder whose disk matters."""
    return _SCRIPT.replace("TOOLKIT", _TOOLKIT).replace("ROOT", shlex.quote(root))


def toolkit_script() -> str:
    """The same for the toolkit alone, which needs no driver to answer."""
    return f"{_TOOLKIT}\necho 'end'\n"


def read(text: str) -> Probe | None:
    """Read what the script printed; other lines, such as a login's greeting, are ignored.

    Returns: None where it was cut short or never ran: an account may be limited to other commands.
    """
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        told.setdefault(key, []).append(value.strip())
    if "end" not in told:
        return None
    gpus = tuple(gpu for line in told.get("gpu", []) if (gpu := _gpu(line)))
    fault = told.get("smi", [""])[0]
    free = told.get("free", [""])[0]
    free_bytes = int(free) * 1024 if free.isdecimal() else None
    return Probe(gpus, fault, "toolkit" in told, free_bytes, told.get("boot", [""])[0])


def _gpu(line: str) -> Gpu | None:
    fields = next(csv.reader([line], skipinitialspace=True), [])
    if len(fields) not in (4, 5):
        return None
    index, uuid, name, driver, *rest = fields
    # "[N/A]" is what nvidia-smi says where it does not know.
    capability = rest[0] if rest and rest[0][:1].isdecimal() else None
    return Gpu(index, uuid, name, driver, capability)
