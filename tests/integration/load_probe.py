"""Loads models in a process of its own, since the Hub's address is read once, at import.

Reads one model a line from standard input; answers with a line of JSON: the facts of what was
built, or the kind of the error and its message.
"""

from __future__ import annotations

import json
import sys
import time

import torch

from harness.contract.plan import Case
from harness.models import building, picture

SHOWN = picture.generated().image


def answer(request: str) -> str:
    """Build what a line asks for: a model, with " --allow-pickle" behind it or not."""
    model, pickled, _ = request.partition(" --allow-pickle")
    case = Case(model=model, recipe="default", precision="float32", batch_size=2)
    try:
        built = building.build(
            case,
            weights="pretrained",
            size="full",
            seed=0,
            picture=SHOWN,
            device=torch.device("cpu"),
            pickled_weights=bool(pickled),
        )
        with torch.no_grad():
            built.module(**built.inputs)
    except Exception as error:  # noqa: BLE001  whatever came is what a test asks about
        return json.dumps({"error": type(error).__name__, "message": str(error)})
    return built.facts.model_dump_json()


if __name__ == "__main__":
    # The Hub's client pauses for half a minute before it gives up; pauses are not what is tested.
    time.sleep = lambda _: None
    for line in sys.stdin:
        sys.stdout.write(answer(line.rstrip("\n")) + "\n")
        sys.stdout.flush()
