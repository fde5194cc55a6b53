"""Priority for the thread that carries audio.

A thread that wakes up waits until the running thread on its core has used up its time slice, often until the kernel's next tick. That takes
up to 4 ms if PostgreSQL, a worker or another program of the machine is running.

- With a real-time priority, the thread preempts all others at once. Asterisk (`-p`) and FreeSWITCH (`-rp`) do the same.
- Without permission for it, short time slices help: since Linux 6.12, a thread with a shorter slice preempts threads with longer ones. Its
  share of the CPU stays the same.

Only the thread of the event loop has either. Other threads, such as those that write to the database, would preempt the loop when it
releases Python's global lock, and keep frames waiting for 2 ms. Processes that recognize speech would keep whole cores busy.
"""

import contextlib
import ctypes
import os
import platform

SLICE_NS = 100_000  # the shortest that Linux accepts
# The number of sched_setattr(2), for which the C library has no function.
_SYSCALLS = {"x86_64": 314, "aarch64": 274}
_RESET_ON_FORK = 0x01  # SCHED_FLAG_RESET_ON_FORK
_REAL_TIME_PRIORITY = 1  # the lowest: above all usual threads, below the kernel's own real-time threads


class _Attributes(ctypes.Structure):
    """`struct sched_attr`, in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def prioritize_audio() -> bool:
    """Give the calling thread a real-time priority, or short time slices if it may not have one. Returns whether it has one."""
    is_real_time = take_real_time_priority()
    if not is_real_time:
        shorten_time_slices()
    return is_real_time


def take_real_time_priority() -> bool:
    """For the calling thread, not for threads and processes that it starts. False if it may not, or if the system has none.

    Allowed to root, and to everyone whose RLIMIT_RTPRIO is at least 1: https://man7.org/linux/man-pages/man7/sched.7.html
    """
    if platform.system() == "Linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_REAL_TIME_PRIORITY))
            return True
    return False


def shorten_time_slices() -> bool:
    """Set them for the calling thread, not for threads and processes that it starts. False if the system does not support it.

    Threads and processes that it starts lose a negative niceness, too.
    """
    number = _SYSCALLS.get(platform.machine()) if platform.system() == "Linux" else None
    # The policy may be combined with the flag, for example by `CPUSchedulingResetOnFork=` in a systemd unit.
    if number is None or os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)  # sched_setattr would reset it
    attributes = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, _RESET_ON_FORK, nice, 0, SLICE_NS, 0, 0)
    return bool(ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0) == 0)
