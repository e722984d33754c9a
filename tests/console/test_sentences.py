"""What is said in English elsewhere has its words in the catalogues: asked of those who say it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from algorithms.coanalysis import kinds
from algorithms.coanalysis.features import Features
from algorithms.quality import Fault
from console.access.permissions import ACTIONS, Forbidden, demand
from console.access.users import Role, User
from console.texts import LANGUAGES, Texts, catalogue
from nodes._alarmwords import _told, silent
from nodes._flagging import REMEDIES
from tests.archives import T0, configuration, event

ZH = Texts("zh")
ENGLISH = re.compile(r"[a-z]{4,}")


def rules() -> list[str]:
    """All that the rules of an event's kind say."""
    line = {"hz": 0.456, "others": 12.0, "share": 0.8, "harmonic": 2.1, "whole": 3.3}
    scores = {"transient": 4.0, "slow": 2.0, "fast": 2.0}
    found: Any = SimpleNamespace(detail={"scores": scores, "transient": {"bend": 3.0}, "slow": line, "fast": line})
    said: list[str] = []
    kinds.evidence(Features(**{each.name: 4.0 for each in fields(Features)}), found, said)
    return said


@pytest.mark.parametrize("sentence", rules())
def test_the_rules_of_an_event(sentence: str) -> None:
    assert not ENGLISH.search(ZH.said(sentence)), ZH.said(sentence)
    assert Texts("en").said(sentence) == sentence


@pytest.mark.parametrize("fault", list(Fault))
def test_alarms_of_bad_data(fault: Fault) -> None:
    said = f"bad data, {fault.replace('_', ' ')}; {REMEDIES[fault]}"
    assert not ENGLISH.search(ZH.said(said)), ZH.said(said)


def test_alarms_of_events() -> None:
    told = event(T0, answer=1)
    bad = [{"device": 1, "kind": "zero_fill"}, {"device": 1, "kind": "frozen"}]
    for each in (told, replace(told, disturbance=False, bad=bad), replace(told, disturbance=False, bad=[])):
        said = _told(each, configuration(1))
        assert not ENGLISH.search(ZH.said(said)), ZH.said(said)


@pytest.mark.parametrize("active", [True, False])
def test_alarms_of_processes(active: bool) -> None:
    said = silent("windows", "trigger", active, 0).text
    assert ZH.said(said).startswith("windows ")
    assert ZH.said(said) != said


@pytest.mark.parametrize(("said", "told"), [
    ("frequency 49.7 Hz at North 01, below 49.8 Hz", "North 01 的频率为 49.7 Hz，低于 49.8 Hz"),
    ("active power 81.2 MW at North 01, above 80 MW; 3 values are beyond it",
     "North 01 的有功功率为 81.2 MW，高于 80 MW；共 3 个值越限"),
    ("voltage 1.01 p.u. at North 01 VA, within its limits", "North 01 VA 的电压为 1.01 p.u.，在限值内"),
    ("angle difference is not told any more", "不再收到相角差"),
    ("nobody has a word for this, at all", "nobody has a word for this，at all"),
    ("", ""),
])  # fmt: skip
def test_alarms_of_limits(said: str, told: str) -> None:
    assert ZH.said(said) == told


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_why_somebody_may_not(action: str) -> None:
    bound = User(name="ve", role=Role.ADMINISTRATOR, regions=["北"])
    users = [bound, bound.with_(role=Role.VIEWER)]
    for user in users if ACTIONS[action].least is not Role.VIEWER else users[:1]:
        with pytest.raises(Forbidden) as why:
            demand(user, action, "南")
        assert not ENGLISH.search(ZH.said(str(why.value))), ZH.said(str(why.value))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_sentences_are_there(language: str) -> None:
    assert sum(key.startswith("said.") for key in catalogue(language)) > 30
