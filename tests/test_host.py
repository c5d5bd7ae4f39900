"""Host kernels against references written from the integer formulas, in plain NumPy with 64-bit numbers."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from islow import inverse_islow

from jpegjax.annex_k import LUMA_QUANTIZATION, quality_table
from jpegjax.jpeg.codec import plan
from jpegjax.jpeg.host import reconstruct, transform
from jpegjax.jpeg.host.parts import row_parts
from jpegjax.kernels.dct import idct_strip
from jpegjax.kernels.quant import dequantiser, quantiser
from jpegjax.options import EncodeOptions
from jpegjax.run import memory as pool
from jpegjax.types import ZIGZAG


@pytest.mark.parametrize("scale", [3, 100, 1023, 32767])
@pytest.mark.parametrize("kept", [1, 3, 10, 29, 64])
@pytest.mark.parametrize("known", [True, False])
def test_inverse_dct_equals_simd_model(scale, kept, known):
    rng = np.random.default_rng([scale, kept])
    for rows, columns in [(1, 1), (1, 2), (2, 5), (3, 8)]:
        blocks = np.zeros((rows, columns, 64), np.int16)
        last = rng.integers(0, kept, (rows, columns)).astype(np.uint8)
        for at in np.ndindex(rows, columns):
            k = int(last[at]) + 1
            blocks[at][ZIGZAG[:k]] = rng.integers(-scale, scale + 1, k)
        if kept == 29:  # the first row alone takes libjpeg's short cut
            blocks[:, :, 8:] = 0
        steps = rng.integers(1, 65536 if scale == 32767 else 256, 64).astype(np.uint16)
        stride = 8 * (columns + 1)
        samples, table = np.zeros((8 * rows, stride), np.uint8), dequantiser(steps)
        address = last.ctypes.data if known else 0
        idct_strip(
            blocks.ctypes.data,
            address,
            columns,
            rows,
            columns,
            table.ctypes.data,
            samples.ctypes.data,
            stride,
        )
        expected = inverse_islow(blocks.reshape(rows, columns, 8, 8), steps.reshape(8, 8).astype(np.int64))
        expected = expected.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
        np.testing.assert_array_equal(samples[:, : 8 * columns], expected)


def test_quantiser_divides_exactly():
    x = np.arange(32768)
    for step in [1, 2, 3, 5, 7, 8, 16, 17, 99, 254, 255, 256, 1000, 4095, 4096, 8191, 8192, 65535]:
        correction, reciprocal, scale = quantiser(np.full(64, step, np.uint16))[3, :, 11].astype(np.int64)
        quotient = ((((x + correction) & 65535) * reciprocal >> 16) * scale) >> 16
        np.testing.assert_array_equal(quotient, (x + 4 * step) // (8 * step), err_msg=f"step {step}")


def test_transform_is_a_dct():
    """Against the orthonormal DCT in float64: half a step of rounding, and what two integer passes may add."""
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (40, 72)).astype(np.uint8)
    frame, tables = plan(image.shape, EncodeOptions(quality=100))
    (plane,) = transform(image, frame, tables)
    u = np.arange(8)
    basis = np.sqrt(np.where(u == 0, 1, 2) / 8)[:, None] * np.cos((2 * u + 1) * u[:, None] * np.pi / 16)
    blocks = image.reshape(5, 8, 9, 8).transpose(0, 2, 1, 3) - 128.0
    assert np.abs(plane - basis @ blocks @ basis.T).max() < 0.65


@pytest.mark.parametrize(
    "subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,1x1", "2x2,1x2,2x1"]
)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (33, 17), (16, 80)])
def test_smooth_pictures_come_back(subsampling, size):
    """Any sampling: what goes in comes out, within what the chroma filters blur on a gentle gradient."""
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack([100 + x // 2, 120 + y // 2, 140 - x // 4 + y // 4], -1).astype(np.uint8)
    frame, tables = plan(image.shape, EncodeOptions(quality=100, subsampling=subsampling))
    decoded = reconstruct(transform(image, frame, tables), frame, tables)
    assert np.abs(decoded.astype(int) - image).max() <= 6


@pytest.mark.parametrize("interval", [0, 5, 10, 20, 30, 70, 1000])
def test_row_parts_cover_the_picture(interval, monkeypatch):
    monkeypatch.setattr("jpegjax.jpeg.host.parts.spare_cores", lambda: 4)
    parts = row_parts(33, 10, interval, 1 << 24)
    assert [p[1] for p in parts] == [0, *[p[2] for p in parts[:-1]]]
    assert parts[-1][2] == 33
    for start, first, _ in parts:
        assert start * 10 % max(interval, 1) == first * 10 % max(interval, 1) == 0
        assert start < first or first == 0
    assert len(parts) == (4 if interval in (5, 10, 20, 30, 70) else 1)


def test_borrowed_memory_is_reused_only_when_free():
    shape = (1 << 10, 1 << 9)
    first = pool.borrow(shape)
    view = first[10:]
    where = first.ctypes.data
    del first
    gc.collect()
    second = pool.borrow(shape)
    assert second.ctypes.data != where  # the view keeps it
    view[:] = 7
    del view
    third = pool.borrow(shape)
    assert third.ctypes.data == where
    assert third.flags.writeable
    assert third.flags.c_contiguous


FORK = """
import os, threading, warnings
from jpegjax.run import memory
warnings.simplefilter("ignore")
held, done = threading.Event(), threading.Event()
def hold():
    with memory._lock:
        held.set()
        done.wait()
other = threading.Thread(target=hold)
other.start()
held.wait()
child = os.fork()
if child == 0:
    memory.borrow((1 << 20,))[:] = 1
    os._exit(len(memory._free) - 1)
done.set()
other.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_does_not_inherit_a_held_lock():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.split() == ["0"]


def test_pool_is_bounded():
    shape = (pool.POOL_BYTES // 4,)
    several = [pool.borrow(shape) for _ in range(7)]
    del several
    assert pool._free_bytes <= pool.POOL_BYTES


def test_tables_of_sixteen_bits():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (24, 24)).astype(np.uint8)
    steps = np.where(np.arange(64) < 32, quality_table(LUMA_QUANTIZATION, 50), 40_000).astype(np.uint16)
    frame, tables = plan(image.shape, EncodeOptions(qtables=[steps]))
    (plane,) = transform(image, frame, tables)
    assert plane.reshape(9, 64)[:, :32].any()
    assert not plane.reshape(9, 64)[:, 32:].any()


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system cannot discard pages")
def test_discarded_pages_read_as_zeros():
    array = pool.sparse_zeros((64, 1024), np.int16)
    array[:] = 7
    pool.discard(array[16:32])
    assert not array[16:32].any()
    assert (array[:16] == 7).all()
    assert (array[32:] == 7).all()
    plain = np.full((64, 1024), 7, np.int16)
    pool.discard(plain)
    assert (plain == 7).all()
