"""Labelled scenarios of synthetic grids, made from seeds alone: what the judgement is measured on, by anybody, again.

`network.py` draws a grid, `flow.py` solves its power flow, `machines.py` gives it machines and `damping.py` the damping
that is asked for; `running.py` lets it run, `ambient.py` and `events.py` with what happens; `devices.py` measures,
`faulty.py` spoils; `windows.py` puts it together with its label and `folder.py` writes it; `scoring.py` scores what was
judged, and `measure.py` writes the table. No published case is in it: lines, plants and loads are drawn.
"""

import os

# Before numpy is there: processes share the cores, and sums are taken in one order.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
