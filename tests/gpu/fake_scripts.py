"""Scripts that run in child processes on a fake machine, and tell what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

from tests.fake_gpu.machine import FakeMachine

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
