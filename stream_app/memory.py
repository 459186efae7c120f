"""How a worker's process keeps memory, and when it gives it back."""

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of glibc's settings."""

_LIBC = ctypes.CDLL(None)


def tune() -> None:
    """Settle the collector and the C library for chunk after chunk; the latter only with glibc.

    A chunk makes hundreds of thousands of short-lived objects: with the usual thresholds half of
    the time goes into looking for cycles that are not there. Its arrays of MBs are given back and
    had anew each time, which took half of a fold of cells: the heap keeps 16 MB for them, and no
    more, so that what an outage has piled up goes back.
    """
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 4 << 20)
        mallopt(M_TRIM_THRESHOLD, 16 << 20)
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Have what a take-over of partitions used go back to the system.

    Its clients are cycles, with large buffers, which the collector seldom comes to by itself; left
    in the heap between what lives longer they make a worker grow with each rebalance.
    """
    gc.collect()
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
