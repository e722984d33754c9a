"""`make fuzz`: atheris looks for bytes that break what they must not break.

    python -m tests.fuzz [target …] --seconds 60
    python -m tests.fuzz --count                          what was run so far, from build/fuzz/log.jsonl

Inputs that led somewhere new stay in build/fuzz/corpus, so that a later run goes on from there. One that breaks
something is written to build/fuzz/found: mend the code, then keep the input in tests/fuzz/regressions/<target>.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.source import left_by

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "fuzz"
LOG = HOME / "log.jsonl"
SLOWEST = 20
"""Seconds for one input."""
MEMORY = 2048
"""MiB of the whole process."""
LONGEST = {
    "splitter": 512, "frame": 2048, "codec": 512, "session": 512, "pieces": 256, "journal": 400, "receiver": 400,
    "gbt_splitter": 512, "gbt_frame": 2048, "gbt_codec": 512, "gbt_session": 512,
    "smd_splitter": 512, "smd_codec": 1024,
}  # fmt: skip
"""Bytes of an input; 4096 for the others."""
INSTRUMENTED = ["protocol", "archive", "nodes"]


def child(target: str, arguments: list[str]) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS, seeds

    corpus = HOME / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for each in seeds()[target]:
        (corpus / hashlib.sha1(each).hexdigest()).write_bytes(each)
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], TARGETS[target])
    atheris.Fuzz()


def run(target: str, seconds: int) -> bool:
    """One target for so long; whether nothing broke."""
    found = HOME / "found"
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}", "-print_final_stats=1",
        f"-max_len={LONGEST.get(target, 4096)}", f"-artifact_prefix={found}/{target}-",
    ]  # fmt: skip
    begin = time.monotonic()
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz", "--child", target, *options]
    fuzzer = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    output, _ = fuzzer.communicate()
    for left in left_by(fuzzer.pid):
        shutil.rmtree(left)
    told = re.search(r"number_of_executed_units:\s*(\d+)", output)
    edges = re.findall(r"cov: (\d+)", output)
    entry = {
        "target": target, "executions": int(told[1]) if told else 0, "seconds": round(time.monotonic() - begin),
        "covered": int(edges[-1]) if edges else 0, "broke": fuzzer.returncode != 0,
    }  # fmt: skip
    with LOG.open("a") as log:
        print(json.dumps(entry), file=log)
    print(f"{target:12} {entry['executions']:>12,} inputs  {entry['seconds']:>5} s", flush=True)
    if fuzzer.returncode:
        print("\n".join(output.splitlines()[-40:]), file=sys.stderr)
    return fuzzer.returncode == 0


def count() -> None:
    """A table of all runs."""
    total: Counter[str] = Counter()
    for line in LOG.read_text().splitlines() if LOG.exists() else []:
        entry = json.loads(line)
        total[entry["target"]] += entry["executions"]
    for target, executions in [*total.items(), ("all", total.total())]:
        print(f"{target:12} {executions:>12,}")


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
        return 0
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--count", action="store_true", help="only tell what was run so far")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if asked.count:
        count()
        return 0
    good = [run(target, asked.seconds) for target in asked.targets or TARGETS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
