"""`make chaos`: a station at work, random faults from a seed, then the oracle.

    python -m tests.chaos --seconds 600 --seed 7 [--folder build/chaos/7]

The last line is the sentence; exit 1 if a frame was lost or doubled, a file can't be read, a window has no verdict or
two, the books do not balance, or a device saw its connection break. The seed gives the same faults again. The
folder is kept when something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.chaos import oracle
from tests.chaos.faults import plan
from tests.chaos.scene import Scene
from tests.chaos.station import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of faults")
    parser.add_argument("--seed", type=int, default=None, help="of the plan; a new one unless given")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 16) if asked.seed is None else asked.seed
    folder = asked.folder or ROOT / "build" / "chaos" / f"{seed}"
    print(f"seed {seed}: make chaos SECONDS={asked.seconds:g} SEED={seed}", flush=True)
    scene = Scene(folder)
    faults = plan(seed, asked.seconds, scene.station.kinds)
    (folder / "plan.json").write_text(json.dumps([asdict(each) for each in faults], indent=1))

    def act(scene: Scene) -> None:
        until = time.monotonic() + asked.seconds
        if not asked.calm:
            scene.perform(faults, lambda text: print(text, flush=True))
        time.sleep(max(0.0, until - time.monotonic()))

    report = scene.run(act)
    if report.good:
        shutil.rmtree(folder)
    else:
        report.notes.append(f"all of it is in {os.path.relpath(folder)}")
    oracle.tell(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
