"""`make matrix`: every kind of fault in turn, for hours; a row that is done is not done again.

    python -m tests.chaos.matrix [ROWS …] [--times N] [--table] [--quick] [--list]

ROWS are beginnings of names, as `kill` or `stop.receiver`. Results go to build/matrix.jsonl, a line each; `--table`
writes them into docs/reliability.md. `--quick` does each row once and short, and keeps nothing. `--times` ends a row
after so many faults: the table says how many of how many there were, and without `--times` the row is done again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from typing import Any

from tests.chaos import oracle
from tests.chaos.acts import Outcome, Row
from tests.chaos.rows import ROWS
from tests.chaos.station import ROOT

RESULTS = ROOT / "build" / "matrix.jsonl"
NEED_ROOT = ("link.", "disk.full")
PAGE = ROOT / "docs" / "reliability.md"
HEAD = (
    "| fault | times | sent | archived | lost | doubled | unreadable | windows | missed or twice "
    "| flowing again: median / longest | command | at |"
)


def results() -> list[dict[str, Any]]:
    return oracle.read_lines(RESULTS)


def wanted(names: list[str]) -> list[Row]:
    return [row for row in ROWS if not names or any(f"{row.name}.".startswith(f"{name}.") for name in names)]


def commit() -> str:
    """The commit that is at work, with `-dirty` if other files than the page that we write differ from it."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", ".", f":!{PAGE.relative_to(ROOT)}").returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + ("-dirty" if changed else "")


def do(row: Row, quick: bool, times: int) -> dict[str, Any]:
    """Runs of a row until its count is reached, or one went wrong."""
    folder = ROOT / "build" / "matrix" / row.name
    begun = time.time()
    outcomes: list[Outcome] = []
    while not outcomes or (outcomes[-1].report.good and sum(each.count for each in outcomes) < times and not quick):
        outcome = row.act(replace(row, count=times), folder, len(outcomes), quick)
        outcomes.append(outcome)
        print(f"  {row.name} run {len(outcomes)}: {outcome.count} of {times}: {outcome.report}", flush=True)
    return summed(row, outcomes) | {"row": row.name, "about": row.about, "commit": commit(),
                                    "begun": int(begun), "took": int(time.time() - begun)}  # fmt: skip


def summed(row: Row, outcomes: list[Outcome]) -> dict[str, Any]:
    """All runs of a row together."""
    reports = [each.report for each in outcomes]
    names = ("sent", "archived", "lost", "duplicated", "unreadable", "windows", "missed", "twice", "excused")
    took = [seconds for each in outcomes for seconds in each.back]
    return {
        "good": all(each.good for each in reports),
        "count": sum(each.count for each in outcomes),
        "runs": len(outcomes),
        **{name: sum(getattr(each, name) for each in reports) for name in names},
        "median": round(statistics.median(took), 2) if took else None,
        "longest": round(max(took), 2) if took else None,
        "said": "; ".join(each.said for each in outcomes if each.said),
        "wrong": [fault for each in reports for fault in each.faults][:20],
        "notes": [] if all(each.good for each in reports) else [note for each in reports for note in each.notes][:60],
    }


def table(done: list[dict[str, Any]]) -> str:
    """The newest result of each row, as Markdown."""
    newest = {each["row"]: each for each in done}
    lines = [HEAD, "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|---|"]
    for row in [row for row in ROWS if row.name in newest]:
        each = newest[row.name]
        back = f"{each['median']:.2f} s / {each['longest']:.2f} s" if each["median"] is not None else ""
        lost = f"{each['lost']}" + (f" (and {each['excused']} excused)" if each["excused"] else "")
        wrong = "" if each["good"] else " **not held**"
        count = f"{each['count']}" + (f" of {row.count}" if each["count"] < row.count else "")
        cells = (f"{row.about}{wrong}", count, each["sent"], each["archived"], lost, each["duplicated"],
                 each["unreadable"], each["windows"], each["missed"] + each["twice"], back,
                 f"`make matrix ROWS={row.name}`", each["commit"])  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    missing = [f"`{row.name}`" for row in ROWS if row.name not in newest]
    return "\n".join([*lines, "", f"Not measured yet: {', '.join(missing)}."] if missing else lines)


def write_page(text: str) -> None:
    """The table where docs/reliability.md has its place."""
    page = PAGE.read_text()
    begin = page.index("\n", page.index("<!-- matrix")) + 1
    PAGE.write_text(page[:begin] + text + "\n" + page[page.index("<!-- end of matrix") :])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.matrix")
    parser.add_argument("rows", nargs="*")
    parser.add_argument(
        "--table", action="store_true", help="write the results into docs/reliability.md and do nothing else"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--times", type=int, metavar="N", help="end each row after so many faults")
    parser.add_argument("--quick", action="store_true", help="each row once and short; nothing is kept")
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(f"{row.name:28} {row.about}" for row in ROWS))
        return 0
    if asked.table:
        write_page(table(results()))
        return 0
    reached = {each["row"]: each["count"] for each in results() if each["good"]}
    bad = []
    for row in wanted(asked.rows):
        times = min(row.count, asked.times or row.count)
        if reached.get(row.name, 0) >= times and not asked.quick:
            continue
        if row.name.startswith(NEED_ROOT) and os.geteuid():
            print(f"{row.name}: left out, it needs root (network namespaces, a mount)")
            continue
        print(f"{row.name}: {row.about}", flush=True)
        try:
            result = do(row, asked.quick, times)
        except Exception:  # the other rows are done all the same
            traceback.print_exc()
            bad.append(row.name)
            continue
        for fault in [*result["notes"], *result["wrong"]]:
            print(f"    {fault}")
        if not asked.quick:
            RESULTS.parent.mkdir(exist_ok=True)
            with open(RESULTS, "a") as file:
                file.write(json.dumps(result) + "\n")
        if not result["good"]:
            bad.append(row.name)
    if not asked.quick:
        write_page(table(results()))
    print(f"not held: {', '.join(bad)}" if bad else "all held")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
