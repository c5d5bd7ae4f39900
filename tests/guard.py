"""A test allocator: every NumPy buffer between pages that nothing may touch, so that what goes beyond one ends the process.

    python tests/guard.py behind|before mutants FIRST COUNT      mutants of mutations.py, through every door
    python tests/guard.py behind|before extremes FIRST COUNT     valid files and pictures of extreme sizes and settings
    python tests/guard.py behind|before read|write BYTE          one access, so many bytes from the start of 1000

Buffers end where the page behind them begins ("behind"), or begin where the page before them ends. The number at work is the
last on stdout when a fault ends the process; "done" follows the last one. NEP 49 gives NumPy a handler of its own, here of
ctypes callbacks; the library's pools, which lend parts of larger buffers, are replaced by plain arrays. Freed buffers are
unmapped at once, so that addresses which outlive them fault too. What kernels allocate for themselves is not guarded.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["extreme", "guard", "walk"]

_PAGE = mmap.PAGESIZE
_NONE, _READ_WRITE = 0, 3  # PROT_NONE, PROT_READ | PROT_WRITE
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_SET_HANDLER, _VERSION = 304, 1  # of NumPy's table of functions; of NEP 49's struct

_P, _N = ctypes.c_void_p, ctypes.c_size_t
_MALLOC, _CALLOC = ctypes.CFUNCTYPE(_P, _P, _N), ctypes.CFUNCTYPE(_P, _P, _N, _N)
_REALLOC, _FREE = ctypes.CFUNCTYPE(_P, _P, _P, _N), ctypes.CFUNCTYPE(None, _P, _P, _N)


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of numpy/ndarraytypes.h."""

    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", _P),
        ("malloc", _MALLOC), ("calloc", _CALLOC), ("realloc", _REALLOC), ("free", _FREE),
    )  # fmt: skip


_system = ctypes.CDLL(None)
_map = _system.mmap
_map.restype, _map.argtypes = _P, (_P, _N, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_protect, _unmap = _system.mprotect, _system.munmap
_protect.argtypes, _unmap.argtypes = (_P, _N, ctypes.c_int), (_P, _N)

_mapped: dict[
    int, tuple[int, int, int]
] = {}  # by address of a buffer: the mapping's start and length, the buffer's bytes
_kept: list[Any] = []  # what NumPy has the addresses of


def _allocate(nbytes: int, behind: bool) -> int | None:
    inner = -(-max(nbytes, 1) // _PAGE) * _PAGE
    start = _map(None, inner + 2 * _PAGE, _NONE, _PRIVATE, -1, 0)
    if start in (None, ctypes.c_void_p(-1).value) or _protect(start + _PAGE, inner, _READ_WRITE):
        return None
    # a multiple of its items' size, so that they are aligned wherever the end is
    address = start + _PAGE + (inner - nbytes if behind and nbytes else 0)
    _mapped[address] = start, inner + 2 * _PAGE, nbytes
    return address


def _release(_: int | None, address: int | None, nbytes: int) -> None:
    if address:
        start, length, _ = _mapped.pop(address)
        _unmap(start, length)


def guard(side: str) -> None:
    """Guard the buffers of all arrays that this thread makes from now on, "behind" or "before"."""
    behind = {"behind": True, "before": False}[side]

    def reallocate(_: int | None, address: int | None, nbytes: int) -> int | None:
        new = _allocate(nbytes, behind)
        if address and new:
            ctypes.memmove(new, address, min(nbytes, _mapped[address][2]))
            _release(None, address, 0)
        return new

    handler = _Handler(
        b"guard", _VERSION, None, _MALLOC(lambda _, n: _allocate(n, behind)),
        _CALLOC(lambda _, n, size: _allocate(n * size, behind)),  # fresh pages are zeros
        _REALLOC(reallocate), _FREE(_release),
    )  # fmt: skip
    make, get = ctypes.pythonapi.PyCapsule_New, ctypes.pythonapi.PyCapsule_GetPointer
    make.restype, make.argtypes = ctypes.py_object, (_P, ctypes.c_char_p, _P)
    get.restype, get.argtypes = _P, (ctypes.py_object, ctypes.c_char_p)
    name = b"mem_handler"
    table = ctypes.cast(get(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(_P))
    install = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[_SET_HANDLER])
    _kept.extend([handler, name, install(make(ctypes.addressof(handler), name, None))])


def without_pools() -> None:
    """The library's memory as arrays of exactly the size asked for; call it before anything else of it is imported."""
    from jpegjax.run import memory

    def parts(name: str, sizes: Iterable[int]) -> Any:
        # kernels may count on multiples of 64, which the end of a part then is too
        return memory.Pointers([np.zeros(-(-n // 64) * 64, np.uint8) for n in sizes])

    memory.scratch = lambda name, nbytes: np.zeros(nbytes, np.uint8)
    memory.scratch_parts = parts
    memory.borrow = lambda shape, dtype=np.uint8: np.full(shape, 165, dtype)
    memory.sparse_zeros = lambda shape, dtype=np.uint8: np.zeros(shape, dtype)


def _inside(data: bytes) -> memoryview:
    """A file in a guarded buffer."""
    return memoryview(np.frombuffer(data, np.uint8).copy())


def _attempt(function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    from jpegjax import JpegError

    try:
        return function(*given, **options)
    except (JpegError, ValueError) as error:
        return error


SCALES = ("1/8", "3/8", "1/2", "5/8", "7/8", "9/8", "3/2", "2")
CODINGS = (
    {}, {"optimize": True}, {"progressive": True}, {"arithmetic": True}, {"arithmetic": True, "progressive": True},
    {"optimize": True, "restart_rows": 1}, {"restart_blocks": 2, "progressive": True}, {"arithmetic": True, "restart_blocks": 1},
)  # fmt: skip
TURNS = ({"rotate": 90}, {"rotate": 180}, {"flip": "horizontal"}, {"flip": "transpose"}, {"rotate": 270, "trim": True})


def doors(data: bytes, number: int) -> None:
    """A file through the doors, those that take options with some that go by its number."""
    import jpegjax

    def given(function: Callable[..., Any], **options: Any) -> Any:
        return _attempt(function, _inside(data), **options)

    given(jpegjax.info)
    pixels = given(jpegjax.decode, engine="host")
    given(jpegjax.decode, engine="host", scale=SCALES[number % 8], upsample=("fancy", "nearest")[number // 8 % 2])
    given(jpegjax.decode, engine="host", mode=("L", "RGB")[number % 2])
    if isinstance(pixels, np.ndarray):
        height, width = pixels.shape[:2]
        x, y = number * 7 % width, number * 5 % height
        crop = x, y, max(1, (width - x) * (1 + number % 3) // 3), max(1, (height - y) * (1 + number // 3 % 3) // 3)
        given(jpegjax.decode, engine="host", crop=crop)
    coefficients = given(jpegjax.read_coefficients)
    if isinstance(coefficients, jpegjax.Coefficients):
        _attempt(jpegjax.write_coefficients, coefficients, **CODINGS[number % len(CODINGS)])
        given(jpegjax.transcode, **TURNS[number % len(TURNS)], **CODINGS[number // 5 % len(CODINGS)])


SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "1x1,2x2,1x1", "2x2,1x2,2x1", "4x2", "1x2")
PROCESSES = (
    *CODINGS, {"precision": 12}, {"precision": 12, "progressive": True}, {"precision": 12, "arithmetic": True}, {"tune": True},
    *({"lossless": True, "predictor": p, "precision": bits} for p, bits in enumerate((2, 5, 8, 9, 12, 14, 16), 1)),
    {"lossless": True, "restart_rows": 1},
)  # fmt: skip


def extreme(number: int) -> tuple[np.ndarray, dict[str, Any]]:
    """A small picture and how to code it: sizes 1..67, all samplings and processes, qualities 1..100."""
    draw = np.random.default_rng(number)
    options: dict[str, Any] = dict(PROCESSES[number % len(PROCESSES)])
    height, width = (
        int(draw.choice([1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 67, draw.integers(1, 68)])) for _ in "hw"
    )
    channels = (1, 3, 3, 3)[number // len(PROCESSES) % 4]
    bits = options.get("precision", 8)
    options["quality"] = int(draw.choice([1, 2, 25, 50, 75, 95, 100, draw.integers(1, 101)]))
    if channels == 3 and not options.get("lossless"):
        options["subsampling"] = SAMPLINGS[number // 3 % len(SAMPLINGS)]
    kind = number // 2 % 3
    image = draw.integers(0, 1 << bits, (height, width, channels))
    if kind == 1:
        image = np.where(image < 1 << bits - 1, 0, (1 << bits) - 1)
    elif kind == 2:
        image = np.full_like(image, int(image[0, 0, 0]))
    image = image.astype(np.uint8 if bits <= 8 else np.uint16)
    return image[..., 0] if channels == 1 else image, options


def walk(kind: str, first: int, count: int) -> None:
    """Say each number, and work on it."""
    import mutations

    import jpegjax

    for number in range(first, first + count):
        print(number, flush=True)
        if kind == "mutants":
            doors(mutations.mutant(number), number)
            continue
        image, options = extreme(number)
        if options.get("lossless"):
            options.pop("quality")
        data = _attempt(jpegjax.encode, image, engine="host", **options)
        if isinstance(data, bytes):
            assert isinstance(jpegjax.decode(_inside(data), engine="host", strict=True), np.ndarray)
            doors(data, number)
        else:
            assert isinstance(data, ValueError)
    print("done", flush=True)


def overstep(kind: str, by: int) -> None:
    """Read or write the byte that stands `by` bytes from a buffer's first, to see that the guard sees it."""
    buffer = np.zeros(1000, np.uint8)
    byte = ctypes.c_uint8.from_address(buffer.ctypes.data + by)
    if kind == "read":
        print(byte.value)
    else:
        byte.value = 1
    print("done", flush=True)


def main(side: str, kind: str, first: str, count: str = "1") -> None:
    faulthandler.enable()
    if kind in ("read", "write"):
        guard(side)
        overstep(kind, int(first))
        os._exit(0)
    without_pools()
    import mutations

    import jpegjax

    warnings.simplefilter("ignore", jpegjax.JpegWarning)
    mutations.seeds()
    guard(side)
    walk(kind, int(first), int(count))
    os._exit(0)  # not through the interpreter's end, which takes the guard apart before the last arrays


if __name__ == "__main__":
    main(*sys.argv[1:])
