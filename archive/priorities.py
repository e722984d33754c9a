"""Who has the processor and the disk first: what Linux is told of our processes and threads.

All of it holds for the thread that says it, and for the threads and processes that it begins afterwards. Where the
kernel is older, or forbids it, nice values alone are left, which nobody forbids.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress
from pathlib import Path

SLICE = 200_000
"""ns; what is in haste runs for some milliseconds at a time anyway, and a short slice is what lets it run at once when
it wakes: the kernel then takes the processor from whoever has a longer one (EEVDF, Linux 6.12), of whatever session or
control group, instead of waiting for that one's slice or the next tick, which is 4 ms at each step of a frame's way."""
LAST = 19
"""Nice value of what may wait."""
CALLS = {"x86_64": (314, 315, 251), "aarch64": (274, 275, 30)}
"""Machine -> numbers of sched_setattr, sched_getattr, ioprio_set; the C library has no functions for them."""
ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""struct sched_attr: size, policy, flags, nice, priority, slice [ns], deadline, period."""
PROCESS, BEST_EFFORT, IDLE = 1, 2, 3
"""Of ioprio_set: who it is said of; classes."""
CLASS_SHIFT, LEAST = 13, 7
AUTOGROUP = Path("/proc/self/autogroup")


def hurry() -> None:
    """It has to be in time: it runs as soon as it wakes."""
    _schedule(os.SCHED_OTHER, SLICE)


def stand_back() -> None:
    """It takes its share, and doesn't interrupt others when it wakes."""
    _schedule(os.SCHED_BATCH, 0)


def go_behind() -> None:
    """Work that must come to its end on a busy machine too: the last of those that share processor and disk."""
    os.setpriority(os.PRIO_PROCESS, 0, LAST)  # whatever it was begun with
    stand_back()
    _disk(BEST_EFFORT, LEAST)


def give_way() -> None:
    """Work that has time: it is served when nobody else wants the processor or the disk, and interrupted at once.

    A kernel that shares by session (autogroup) weighs sessions first: one that is ours alone goes last, too.
    """
    os.setpriority(os.PRIO_PROCESS, 0, LAST)  # whatever it was begun with
    stand_back()  # of this class the kernel keeps a short slice
    _schedule(os.SCHED_IDLE, 0)
    _disk(IDLE, 0)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(LAST))


def slice_of(pid: int = 0) -> int:
    """ns at a time that a process or thread gets; 0 if the kernel does not tell."""
    told = ctypes.create_string_buffer(ATTRIBUTES.size)
    got = _call(1, pid, told, ATTRIBUTES.size, 0)
    return int(ATTRIBUTES.unpack(told.raw)[5]) if got == 0 else 0


def _schedule(policy: int, slice_: int) -> None:
    """Policy and slice (0: the usual one), with the nice value that it has."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    told = ATTRIBUTES.pack(ATTRIBUTES.size, policy, 0, nice, 0, slice_, 0, 0)
    if _call(0, 0, told, 0) != 0:
        with suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(0))


def _disk(class_: int, level: int) -> None:
    _call(2, PROCESS, 0, class_ << CLASS_SHIFT | level)


def _call(which: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """A system call of `CALLS`; -1 where it failed or its number is not known."""
    numbers = CALLS.get(platform.machine())
    if numbers is None:
        return -1
    whole = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(ctypes.CDLL(None).syscall(ctypes.c_long(numbers[which]), *whole))
