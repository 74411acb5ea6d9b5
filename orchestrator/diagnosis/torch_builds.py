"""Which GPUs a build of PyTorch runs on, and which driver its CUDA needs (pure).

From the wheels themselves and the release notes: the CUDA 12.6 builds are the last for compute
capability 7.0, and PyTorch 2.14 the last release with them. Drivers: CUDA's table of minor-version
compatibility.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Triton, and with it Inductor, needs this.
INDUCTOR_CAPABILITY: Final = "7.0"
# Version and index of the builds to choose from; without an index it is PyPI's.
_PORTABLE: Final = ("2.14.1", "https://download.pytorch.org/whl/cu126")
_CURRENT: Final = ("2.15.0", "")
_CURRENT_OLDEST: Final = "7.5"

_CAPABILITIES: Final = {
    "cu126": ("5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0"),
    "cu130": ("7.5", "8.0", "8.6", "9.0", "10.0", "12.0"),
    "cu132": ("7.5", "8.0", "8.6", "9.0", "10.0", "12.0"),
}
# CUDA's major version -> the oldest driver.
_DRIVERS: Final = {12: "525", 13: "580"}
# What PyPI has: the first release with a CUDA, newest first.
_PYPI: Final = (("2.15", "cu132"), ("2.11", "cu130"))
# torch 2.14.1 for CUDA 13.0 with Triton and NVIDIA's libraries is 5.4 GB of files by the listings
# of their wheels; the rest is Debian's compiler and the other packages.
_CUDA_IMAGE_BYTES: Final = 7 << 30
_CPU_IMAGE_BYTES: Final = 2 << 30


@dataclass(frozen=True, slots=True)
class Build:
    """A build of PyTorch: its version, and its CUDA as in the name of its index ("cu126").

    `tag` is "cpu" for a build without CUDA and empty where it is not known.
    """

    torch: str
    tag: str

    @property
    def cuda(self) -> str | None:
        """The version of CUDA: "12.6"."""
        found = re.fullmatch(r"cu(\d+)(\d)", self.tag)
        return f"{found[1]}.{found[2]}" if found else None

    @property
    def driver(self) -> str | None:
        """The oldest driver that will do."""
        return _DRIVERS.get(version(self.cuda)[0]) if self.cuda else None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it holds machine code for; empty where that is not known."""
        return _CAPABILITIES.get(self.tag, ())

    @property
    def label(self) -> str:
        """As people write it: "2.14.1+cu126"."""
        return f"{self.torch}+{self.tag}" if self.tag else self.torch

    @property
    def image_bytes(self) -> int:
        """About how large an image with it becomes."""
        return _CPU_IMAGE_BYTES if self.tag == "cpu" else _CUDA_IMAGE_BYTES

    def runs_on(self, capability: str) -> bool:
        """Whether there is code for a GPU: that of its own major version, not of a later minor."""
        major, minor = version(capability)[:2]
        return any(
            version(each)[0] == major and version(each)[1] <= minor for each in self.capabilities
        )

    def remedy(self, capability: str) -> str:
        """The option of a run with which the image suits a GPU that this build does not."""
        torch, index = self._instead(capability)
        return f"--build-arg TORCH_VERSION={torch} --build-arg TORCH_INDEX={index}"

    def remedy_here(self, capability: str) -> str:
        """How to install a build that suits a GPU, on this machine."""
        torch, index = self._instead(capability)
        return f"python -m pip install torch=={torch}" + (f" --index-url {index}" if index else "")

    def _instead(self, capability: str) -> tuple[str, str]:
        """The version and the index of a build that suits a GPU."""
        return _PORTABLE if version(capability) < version(_CURRENT_OLDEST) else _CURRENT


def of_image(arguments: Mapping[str, str], dockerfile: str) -> Build:
    """The build that an image gets from its build arguments and the defaults in its Dockerfile."""
    torch, index = _wanted(arguments, dockerfile)
    return Build(torch, _pypi(torch) if not index else _of_index(index))


def lock_of_image(arguments: Mapping[str, str], dockerfile: str) -> str:
    """The file of hashes that the Dockerfile looks for: torch-VERSION[-NAME OF THE INDEX].txt."""
    torch, index = _wanted(arguments, dockerfile)
    return "-".join(filter(None, ("torch", torch, _last_part(index)))) + ".txt"


def _wanted(arguments: Mapping[str, str], dockerfile: str) -> tuple[str, str]:
    """The version and the index, as given or as the Dockerfile has them."""
    defaults = dict(re.findall(r"^ARG (\w+)=(\S*)$", dockerfile, re.MULTILINE))
    settings = defaults | dict(arguments)
    return settings.get("TORCH_VERSION", ""), settings.get("TORCH_INDEX", "")


def version(text: str) -> tuple[int, ...]:
    """A dotted version as numbers, for comparing; what is no number ends it."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _of_index(index: str) -> str:
    """The last part of an index's address names its builds."""
    name = _last_part(index)
    return name if re.fullmatch(r"cu\d{3}|cpu", name) else ""


def _last_part(index: str) -> str:
    return index.rstrip("/").rpartition("/")[2]


def _pypi(torch: str) -> str:
    return next((tag for first, tag in _PYPI if version(torch) >= version(first)), "")


def of_installed(torch: str, version_module: str) -> Build:
    """The build that is installed here, by its version and the text of its `torch/version.py`."""
    cuda = re.search(r"^cuda\b.*= '(\d+)\.(\d+)'$", version_module, re.MULTILINE)
    return Build(torch.partition("+")[0], f"cu{cuda[1]}{cuda[2]}" if cuda else "cpu")
