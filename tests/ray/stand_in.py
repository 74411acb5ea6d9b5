"""What nodes call python: takes the arguments of the harness, says the records that the stage has.

It loads nothing but the standard library. In a record, the word NODE becomes the node's address.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    arguments, stage = sys.argv[1:], Path(os.environ["STAGE"])
    case_id = arguments[arguments.index("--only") + 1]
    assert arguments[:4] == ["-m", "harness", "--plan", "plan.json"]
    assert "plan_id" in json.loads(Path("plan.json").read_text())
    assert Path("harness/__main__.py").exists()
    node = os.environ["NODE"]
    with (stage / "ran.txt").open("a") as ran:
        ran.write(f"{case_id} {node}\n")
    script = json.loads((stage / "script.json").read_text())
    print("a library says hello", file=sys.stderr, flush=True)
    for line in (stage / case_id.replace("/", "_")).read_text().splitlines():
        print("50%|#####     |", end="\r", file=sys.stderr, flush=True)
        os.write(1, (line.replace("NODE", node) + "\n").encode())
        time.sleep(script["pace_s"])
    sys.exit(script.get("codes", {}).get(case_id, 0))


main()
