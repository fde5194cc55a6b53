"""Short time slices for the thread that carries audio.

A thread that wakes up waits until the running thread on its core has used up its time slice, often until the kernel's next tick. That takes
up to 4 ms if PostgreSQL, a worker or another thread of ours is running. Since Linux 6.12, a thread with a shorter slice preempts threads
with longer ones. Its share of the CPU stays the same.

Only the thread of the event loop has short slices. A thread that writes to the database, for example, waits for Python's global lock, which
the loop releases whenever it sends a frame. With a short slice it would preempt the loop then, and keep frames waiting for 2 ms.
"""

import ctypes
import os
import platform

SLICE_NS = 100_000  # the shortest that Linux accepts
# The number of sched_setattr(2), for which the C library has no function.
_SYSCALLS = {"x86_64": 314, "aarch64": 274}
_RESET_ON_FORK = 0x01  # SCHED_FLAG_RESET_ON_FORK


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
