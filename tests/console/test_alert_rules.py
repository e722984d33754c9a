"""The example rules for Prometheus, tried by its own promtool: each comes when it is to come, and not before."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).parents[2] / "docs" / "monitoring" / "alerts.yaml"
EVERY = 30
"""Seconds between two scrapes."""
NODE, DEVICE = 'node="align", kind="concentrator"', 'device="1", name="Lake"'
SERIES = {
    'up{job="syms"}': ("1x200", "0x200"),
    f"syms_node_up{{{NODE}}}": ("1x200", "0x200"),
    f"syms_node_alarms{{{NODE}}}": ("0x200", "2x200"),
    f"syms_node_restarts_total{{{NODE}}}": ("0+0x100 1x100", "0+1x200"),
    "syms_newest_slot_age_seconds": ("0.2x200", "5+30x200"),
    f'syms_device_rows_total{{{DEVICE}, fate="received"}}': ("0+1500x200", "0+1500x200"),
    f'syms_device_rows_total{{{DEVICE}, fate="missing"}}': ("0+10x200", "0+20x200"),
    f'syms_device_rows_total{{{DEVICE}, fate="lost"}}': ("7x200", "0+1x200"),
    f"syms_device_connected{{{DEVICE}}}": ("1x200", "0x200"),
    f"syms_device_bad_now{{{DEVICE}}}": ("0x200", "2x200"),
    'syms_trigger_dead{node="windows"}': ("3x200", "0+1x200"),
    'syms_concentrator_release_p99_ms{node="align"}': ("110x200", "900x200"),
}
"""Of a station that is well, and of one where all goes wrong: promtool's notation."""


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def trial(column: int, coming: list[str]) -> dict[str, Any]:
    """After 100 minutes these come, and no others."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in coming]
    return {
        "interval": f"{EVERY}s",
        "input_series": [{"series": name, "values": values[column]} for name, values in SERIES.items()],
        "promql_expr_test": [{
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "100m", "exp_samples": samples,
        }],
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus")
def test_each_rule_comes_when_it_is_to_come(tmp_path: Path) -> None:
    told = {"rule_files": [str(RULES)], "evaluation_interval": f"{EVERY}s",
            "tests": [trial(0, []), trial(1, [each["alert"] for each in rules()])]}  # fmt: skip
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(told))
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "rules.yaml")], capture_output=True, text=True,
                          timeout=100, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_became_of_rows_is_compared_across_fates() -> None:
    """Two vectors match by all their labels: without this such a rule never comes."""
    for rule in rules():
        fates = set(re.findall(r'fate="(\w+)"', rule["expr"]))
        assert len(fates) < 2 or "ignoring (fate)" in rule["expr"], rule["alert"]
