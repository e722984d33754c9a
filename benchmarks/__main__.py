"""Run the benchmarks and write what they say to benchmarks/RESULTS.md.

    python -m benchmarks [NAME …] [--quick]

Each prints one Markdown section. With names only these run, and only their sections are replaced.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._report import progress

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
ORDER = (
    "decode",
    "receiver",
    "station",
    "emd",
    "first_test",
    "early_alarm",
    "answers",
    "archive",
    "study",
    "balancer",
    "balancer_spread",
    "startup",
    "first_stage",
    "damping",
    "judgement",
    "grids",
    "live_flags",
    "console",
    "export_beside",
)
"""As the data go."""
SECTION = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


def machine() -> str:
    """What it was measured on."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return ", ".join(
        [
            f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()})",
            f"{int(memory.group(1)) / (1 << 20):.0f} GiB of memory" if memory else "",
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
        ]
    )


def commit() -> str:
    """The commit that was measured, with a plus sign if files differ from it."""
    said = [
        subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True).stdout.strip()
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    ]
    return f"{said[0] or 'unknown'}{'+' if said[1] else ''}"


def run(name: str, quick: bool) -> tuple[str, int]:
    """(the section that a benchmark printed, with what it was measured on; its exit code)."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    before, load, begun = commit(), os.getloadavg()[0], time.monotonic()
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True)
    took = time.monotonic() - begun
    said = done.stdout if not done.returncode else f"## {name}\n\nIt failed with exit code {done.returncode}.\n"
    measured = f"{time.strftime('%Y-%m-%d')}, commit {before}, {took:.0f} s, load before {load:.1f}; {machine()}"
    return f"{said.rstrip()}\n\n<sub>{measured}</sub>\n", done.returncode


def earlier() -> dict[str, str]:
    """Sections that stand in the results by now."""
    return dict(SECTION.findall(RESULTS.read_text())) if RESULTS.exists() else {}


def write(sections: dict[str, str]) -> None:
    """All sections, in their order."""
    head = (
        "# What was measured\n\nWritten by `make bench`. Each section says on which machine, at which commit and how.\n"
    )
    names = sorted(sections, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    RESULTS.write_text(head + "".join(f"\n<!-- {name} -->\n{sections[name]}<!-- end -->\n" for name in names))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ORDER)}; none: all")
    parser.add_argument("--quick", action="store_true", help="short versions: whether they work, not how fast it is")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(ORDER):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    sections, failed = earlier(), 0
    for name in asked.names or ORDER:
        progress(f"== {name}")
        sections[name], code = run(name, asked.quick)
        failed += code != 0
        write(sections)
        print(sections[name], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
