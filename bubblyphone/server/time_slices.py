"""Short time slices for the thread that carries audio.

A thread that wakes up waits while another one on its core uses up its time slice, often until the kernel's next tick: for up to 4 ms, if
PostgreSQL, a worker or a thread of ours is running. Since Linux 6.12 it interrupts threads with longer slices. Its share of the processor
stays the same.
"""

import ctypes
import os
import platform

SLICE_NS = 100_000  # the shortest that Linux accepts
# The number of sched_setattr(2), for which the C library has no function.
_SYSCALLS = {"x86_64": 314, "aarch64": 274}


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
    """For the calling thread, and the threads and processes that it starts from now on. False if the system does not offer it."""
    number = _SYSCALLS.get(platform.machine()) if platform.system() == "Linux" else None
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)  # would be reset otherwise
    attributes = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
    return bool(ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0) == 0)
