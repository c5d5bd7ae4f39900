"""Decoding with the precision that coefficients hold: points in their bins, floats, 16 bits. Oracle: the path in float64."""

from __future__ import annotations

import io
from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import Run
from oracles import pillow_pixels, psnr
from pictures import astronaut, deep_picture, picture, waves
from PIL import Image

import jpegjax
from jpegjax.jpeg import codec
from jpegjax.jpeg.host import component_planes
from jpegjax.kernels.precise.points import count_levels, shifts, trust
from jpegjax.options import DecodeOptions

ENGINES = ("host", "xla")
_u, _x = np.mgrid[:8, :8]
DCT = np.cos((2 * _x + 1) * _u * np.pi / 16) * np.where(_u == 0, np.sqrt(1 / 8), 1 / 2)


def doubled(x: np.ndarray) -> np.ndarray:
    """The triangle filter along the last axis: three quarters of the nearer sample, a quarter of the other, ends repeated."""
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)], mode="edge")
    out = np.empty((*x.shape[:-1], 2 * x.shape[-1]))
    out[..., 0::2] = 0.75 * x + 0.25 * wide[..., :-2]
    out[..., 1::2] = 0.75 * x + 0.25 * wide[..., 2:]
    return out


def components(c: jpegjax.Coefficients, laplacian: bool, clipped: bool = True, fancy: bool = True) -> list[np.ndarray]:
    """Of a file at full size, in float64."""
    frame, found = c.frame, []
    counts = [count_levels(np.asarray(p[0])) for p in c.planes]
    middle = 1 << (frame.precision - 1)
    for k, (plane, table) in enumerate(zip(c.planes, c.qtables, strict=True)):
        levels = np.asarray(plane[0], np.float64)
        (high, wide), one = frame.samples(k), frame.components[k]
        h, v = (frame.hmax // one.h, frame.vmax // one.v) if len(frame.components) > 1 else (1, 1)
        filtered = fancy and ((h, v) == (1, 2) or (h == 2 and v <= 2 and wide > 2))
        shift = trust(counts) * shifts(counts[k]) if laplacian else np.zeros(64)
        if filtered:  # less of it for details that the filter takes
            far = np.hypot(np.arange(8) * (h == 2), np.arange(8)[:, None] * (v == 2))
            shift = shift * np.maximum(1 - far / 4, 0).ravel()
        points = (levels - np.sign(levels) * shift.reshape(8, 8)) * np.asarray(table, np.float64)
        blocks = np.einsum("va,rcvu,ub->rcab", DCT, points, DCT) + middle
        rows, columns = levels.shape[:2]
        x = blocks.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)[:high, :wide]
        x = np.clip(x, 0, 2 * middle - 1) if clipped else x
        if filtered:
            x = doubled(x.T).T if v == 2 else x
            x = doubled(x) if h == 2 else x
        else:
            x = x.repeat(v, 0).repeat(h, 1)
        found.append(x[: frame.height, : frame.width])
    return found


def to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, largest: int = 255) -> np.ndarray:
    """JFIF's equations."""
    cb, cr = cb - (largest + 1) / 2, cr - (largest + 1) / 2
    g = (y - 0.299 * (y + 1.402 * cr) - 0.114 * (y + 1.772 * cb)) / 0.587
    return np.clip(np.stack([y + 1.402 * cr, g, y + 1.772 * cb], -1), 0, largest)


@pytest.mark.parametrize("reconstruction", ["midpoint", "laplacian"])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:4:0", "4:2:0", "4:1:1", "4:1:0", "grey"])
def test_pixels_are_those_of_the_formulas(sampling: str, reconstruction: str) -> None:
    shape = (45, 83)
    image = picture(*shape, 1) if sampling == "grey" else waves(*shape)
    data = jpegjax.encode(image, quality=40, subsampling=None if sampling == "grey" else sampling)
    found = components(jpegjax.read_coefficients(data), reconstruction == "laplacian")
    want = found[0] if sampling == "grey" else to_rgb(*found)
    engines = ENGINES if sampling in ("4:2:0", "4:1:0", "grey") else ENGINES[:1]
    for engine in engines:
        options: dict = {"engine": engine, "reconstruction": reconstruction}
        floats = jpegjax.decode(data, dtype="float32", **options)
        assert floats.dtype == np.float32 and floats.shape == image.shape
        np.testing.assert_allclose(floats, want, rtol=0, atol=2e-3)
        deep = jpegjax.decode(data, dtype=np.uint16, **options)
        assert deep.dtype == np.uint16 and np.abs(deep - want * 257).max() < 1
        for dtype in (None, "uint8"):
            pixels = jpegjax.decode(data, dtype=dtype, **options)
            assert pixels.dtype == np.uint8
            if reconstruction == "midpoint":
                assert np.array_equal(pixels, pillow_pixels(data))
            else:
                assert np.abs(pixels - want).max() < 0.5 + 2e-3


def test_colours_and_modes() -> None:
    """RGB, grey as RGB, RGB and YCbCr as grey, CMYK, YCCK, inks as RGB; on both engines."""
    rgb, inks = waves(33, 50), np.dstack([waves(33, 50), waves(33, 50, 1)[..., :1]])
    plain = jpegjax.encode(rgb, quality=60)
    own = jpegjax.encode(rgb, quality=60, color="RGB", subsampling="4:4:4")
    cmyk = jpegjax.encode(inks, quality=60, mode="CMYK")
    grey = jpegjax.encode(rgb[..., 0], quality=60)

    def parts(data: bytes) -> np.ndarray:
        return np.stack(components(jpegjax.read_coefficients(data), True), -1)

    ycck = np.dstack([to_rgb(*np.moveaxis(parts(cmyk)[..., :3], -1, 0)), 255 - parts(cmyk)[..., 3]])

    def light(x: np.ndarray) -> np.ndarray:
        return (255 - x[..., 3:]) * (1 - x[..., :3] / 255)

    cases = [
        (own, {}, parts(own)),
        (own, {"mode": "L"}, parts(own) @ [0.299, 0.587, 0.114]),
        (plain, {"mode": "L"}, parts(plain)[..., 0]),
        (grey, {"mode": "RGB"}, parts(grey).repeat(3, -1)),
        (cmyk, {}, 255 - parts(cmyk)),
        (cmyk, {"mode": "RGB"}, light(255 - parts(cmyk))),
        (cmyk, {"color": "YCCK"}, ycck),
        (cmyk, {"color": "YCCK", "mode": "RGB"}, light(ycck)),
    ]
    for engine in ENGINES:
        for data, options, want in cases:
            options = {**options, "engine": engine, "reconstruction": "laplacian"}
            np.testing.assert_allclose(jpegjax.decode(data, dtype="float32", **options), want, rtol=0, atol=3e-3)
            assert np.abs(jpegjax.decode(data, **options) - want).max() < 0.5 + 3e-3


@pytest.mark.parametrize("engine", ENGINES)
def test_twelve_bits(engine: str) -> None:
    data = jpegjax.encode(deep_picture(40, 61), precision=12, quality=70)
    want = to_rgb(*components(jpegjax.read_coefficients(data), False), 4095)
    floats = jpegjax.decode(data, dtype="float32", engine=engine)
    np.testing.assert_allclose(floats, want, rtol=0, atol=0.05)
    own = jpegjax.decode(data, engine=engine)
    assert own.dtype == np.uint16 and np.abs(own - want).max() < 4  # libjpeg's, which rounds at each step
    assert np.abs(jpegjax.decode(data, dtype="uint16", engine=engine) - want * (65535 / 4095)).max() < 1.5
    assert np.abs(jpegjax.decode(data, dtype="uint8", engine=engine) - want * (255 / 4095)).max() < 0.51
    near = jpegjax.decode(data, reconstruction="laplacian", engine=engine)
    assert near.dtype == np.uint16 and near.max() <= 4095 and not np.array_equal(near, own)


def test_lists_are_as_single_ones_on_both_engines() -> None:
    """Of several sizes, kinds and depths, some of which are libjpeg's; and pixels stay where a device is named."""
    files = [
        jpegjax.encode(waves(40, 56), quality=50),
        jpegjax.encode(waves(24, 24), quality=50, progressive=True),
        jpegjax.encode(deep_picture(24, 24), precision=12),
        jpegjax.encode(waves(24, 24), lossless=True),
        jpegjax.encode(waves(40, 56, 3), quality=50),
    ]
    for dtype in ("uint8", "float32"):
        ours = jpegjax.decode(files, dtype=dtype, engine="host")
        for one, other in zip(ours, jpegjax.decode(files, dtype=dtype, engine="xla"), strict=True):
            assert one.dtype == other.dtype == dtype
            assert np.abs(one.astype(float) - other).max() <= (1 if dtype == "uint8" else 0.05)
        for one, data in zip(ours, files, strict=True):
            assert np.array_equal(one, jpegjax.decode(data, dtype=dtype, engine="host"))
    assert np.array_equal(jpegjax.decode(files[0], dtype="uint8"), pillow_pixels(files[0]))
    held = jpegjax.decode(files[0], dtype="float32", device=jax.devices()[0])
    assert isinstance(held, jax.Array) and held.dtype == np.float32


def test_parts_scales_and_turns() -> None:
    data = jpegjax.encode(waves(150, 210), quality=50, restart_rows=2)
    options: dict = {"reconstruction": "laplacian", "dtype": "float32"}
    whole = jpegjax.decode(data, **options)
    for x, y, w, h in ((0, 0, 210, 150), (33, 70, 50, 41), (209, 149, 1, 1), (16, 0, 31, 150)):
        part = jpegjax.decode(data, crop=(x, y, w, h), **options)
        np.testing.assert_allclose(part, whole[y : y + h, x : x + w], rtol=0, atol=1e-4)
    for eighths in range(1, 17):
        small = jpegjax.decode(data, scale=eighths / 8, dtype="float32")
        theirs = jpegjax.decode(data, scale=eighths / 8)  # libjpeg-turbo's, as test_scaled has it
        assert small.shape == theirs.shape
        assert np.abs(small - theirs).mean() < 0.7 and np.abs(small - theirs).max() < 3
    near = jpegjax.decode(data, upsample="nearest", **options)
    want = to_rgb(*components(jpegjax.read_coefficients(data), True, fancy=False))
    np.testing.assert_allclose(near, want, rtol=0, atol=2e-3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = jpegjax.encode(waves(40, 56), quality=50, exif=exif.tobytes())
    upright = jpegjax.decode(turned, apply_exif_orientation=True, **options)
    assert np.array_equal(upright, np.rot90(jpegjax.decode(turned, **options), -1))


def test_lossless_files_stay_as_they_are() -> None:
    image, deep = waves(20, 30), deep_picture(20, 30)
    data = jpegjax.encode(image, lossless=True)
    twelve = jpegjax.encode(deep, lossless=True, precision=12)
    assert np.array_equal(jpegjax.decode(data, reconstruction="laplacian"), image)
    floats = jpegjax.decode(data, dtype="float32")
    assert floats.dtype == np.float32 and np.array_equal(floats, image)
    assert np.array_equal(jpegjax.decode(data, dtype="uint16", engine="xla"), image * np.uint16(257))
    assert np.array_equal(jpegjax.decode(twelve, dtype="uint16"), np.floor(deep * (65535 / 4095) + 0.5))
    assert np.array_equal(jpegjax.decode(twelve, dtype="uint8"), np.floor(deep * (255 / 4095) + 0.5))


def test_shifts_are_centroids_of_laplacians() -> None:
    """Levels of a Laplacian of known scale, rounded: δ against the density's own centroid by quadrature."""
    rng = np.random.default_rng(0)
    plane = np.zeros((128, 128, 8, 8), np.int16)
    scales = {3: 0.4, 10: 0.8, 63: 2.5}  # in steps, by natural index
    for k, scale in scales.items():
        plane.reshape(-1, 64)[:, k] = np.rint(rng.laplace(0, scale, 128 * 128))
    found = shifts(count_levels(plane))
    for k, scale in scales.items():
        x = np.linspace(0.5, 1.5, 20_001)
        density = np.exp(-x / scale)
        assert found[k] == pytest.approx(1 - (x * density).sum() / density.sum(), abs=0.01)
    assert found[0] == 0 and np.count_nonzero(found) == len(scales)


def test_counts_of_levels() -> None:
    plane = np.zeros((1, 3, 8, 8), np.int16)
    plane[0, 0].reshape(64)[[0, 1, 9]] = -7, 1, -1  # zigzag 0, 1, 4: a one without zeros before it, one behind two
    plane[0, 1].reshape(64)[[1, 8, 63]] = 1, 2, 1  # 1, 2, 63
    plane[0, 2].reshape(64)[3] = -1  # 6: five zeros before it
    counts = count_levels(plane)
    assert counts.blocks == 3 and counts.ones.tolist() == [[2, 0], [0, 2]]
    assert {k: tuple(row) for k, row in enumerate(counts.levels.tolist()) if row[0]} == {
        0: (1, 7), 1: (2, 2), 8: (1, 2), 9: (1, 1), 63: (1, 1), 3: (1, 1),
    }  # fmt: skip


def test_a_photograph_gets_nearer_and_tuned_files_are_left_alone() -> None:
    image = astronaut()
    for quality, gain in ((20, 0.1), (75, 0.15), (95, 0.0)):
        data = jpegjax.encode(image, quality=quality)
        plain, near = jpegjax.decode(data), jpegjax.decode(data, reconstruction="laplacian")
        floats = jpegjax.decode(data, reconstruction="laplacian", dtype="float32")
        assert psnr(near, image) > psnr(plain, image) + gain
        assert psnr(floats, image) > psnr(near, image)
        assert trust([count_levels(np.asarray(p[0])) for p in jpegjax.read_coefficients(data).planes]) > 0.7
    tuned = jpegjax.encode(image, quality=75, tune="psnr")
    assert trust([count_levels(np.asarray(p[0])) for p in jpegjax.read_coefficients(tuned).planes]) < 0.3
    near = jpegjax.decode(tuned, reconstruction="laplacian")
    assert psnr(near, image) > psnr(jpegjax.decode(tuned), image) - 0.03


def test_jpegli_is_not_nearer() -> None:
    """Its decoder moves luma towards zero too."""
    pyjpegli = pytest.importorskip("pyjpegli")
    image = astronaut()
    for quality in (30, 75):
        data = jpegjax.encode(image, quality=quality)
        pixels, width, height = pyjpegli.decode(data)
        theirs = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
        ours = jpegjax.decode(data, reconstruction="laplacian")
        assert psnr(ours, image) > psnr(theirs, image) > psnr(jpegjax.decode(data), image)


def test_planes_for_networks() -> None:
    data = jpegjax.encode(waves(43, 61), quality=30)
    c = jpegjax.read_coefficients(data)
    planes = component_planes(c, "laplacian")
    assert planes.dtype == np.float32 and planes.shape == (1, 43, 61, 3)
    want = np.stack(components(c, True, clipped=False), -1)
    np.testing.assert_allclose(planes[0], want, rtol=0, atol=2e-3)
    assert component_planes(jpegjax.read_coefficients(jpegjax.encode(waves(9, 9)[..., 0]))).shape == (1, 9, 9, 1)


def test_damage_and_hostile_levels_end_in_pixels() -> None:
    """Levels at the ends of 16 bits, and files cut short or bent."""
    frame = jpegjax.read_coefficients(jpegjax.encode(waves(24, 24))).frame
    rng = np.random.default_rng(1)
    planes = tuple(rng.choice([-1023, 1023, 0], (1, *frame.blocks(c), 8, 8)).astype(np.int16) for c in range(3))
    wild = jpegjax.write_coefficients(jpegjax.Coefficients(planes, (np.full((8, 8), 255, np.uint16),) * 3, frame))
    data = jpegjax.encode(waves(64, 64), progressive=True)
    bent = bytearray(data)
    bent[len(data) // 2] ^= 0x55
    for engine in ENGINES:
        floats = jpegjax.decode(wild, dtype="float32", reconstruction="laplacian", engine=engine)
        assert floats.min() >= 0 and floats.max() <= 255
        for broken in (data[: len(data) // 2], bytes(bent)):
            with pytest.warns(jpegjax.JpegWarning):
                assert jpegjax.decode(broken, reconstruction="laplacian", engine=engine).shape == (64, 64, 3)


WRONG = [
    ({"reconstruction": "centre"}, ValueError, "reconstruction='centre': must be one of 'midpoint', 'laplacian'"),
    ({"dtype": "float64"}, ValueError, "dtype='float64': must be None, uint8, uint16, float32"),
    ({"dtype": "brown"}, ValueError, "dtype='brown': must be None"),
    ({"dtype": np.int16}, ValueError, "must be None, uint8"),
    ({"dtype": {3}}, TypeError, "must be None, uint8"),
    ({"dtype": "float32", "mode": "CMYK"}, jpegjax.UnsupportedJpeg, "not converted to mode 'CMYK'"),
    ({"dtype": "float32", "limits": jpegjax.Limits(memory=20_000)}, jpegjax.LimitExceeded, "Limits.memory"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("options", "kind", "message"), WRONG)
def test_what_is_wrong_is_named(engine: str, options: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        jpegjax.decode(jpegjax.encode(waves(40, 40)), engine=engine, **options)


def test_command_line(run: Run) -> None:
    image = waves(30, 44)
    data = jpegjax.encode(image, quality=50)
    Path("a.jpg").write_bytes(data)
    assert run("decode", "a.jpg", "--reconstruction", "laplacian").code == 0
    assert np.array_equal(np.asarray(Image.open("a.png")), jpegjax.decode(data, reconstruction="laplacian"))
    assert run("decode", "a.jpg", "--dtype", "float32", "-o", "a.npy").code == 0
    assert np.array_equal(np.load("a.npy"), jpegjax.decode(data, dtype="float32"))
    assert run("decode", "a.jpg", "--dtype", "uint16", "-o", "deep.png").code == 0
    import imagecodecs

    assert np.array_equal(imagecodecs.png_decode(Path("deep.png").read_bytes()), jpegjax.decode(data, dtype="uint16"))
    ppm = run("decode", "a.jpg", "--dtype", "uint16", "-o", "-", "-f", "ppm", redirected=True)
    assert ppm.out.startswith(b"P6\n44 30\n65535\n")
    for words, message in (
        (("--dtype", "float32"), "png does not hold floats, say --format npy"),
        (("--dtype", "uint16", "-f", "bmp"), "BMP holds 8"),
        (("--dtype", "uint16", "--depth", "8"), "give one of them"),
        (("--dtype", "uint16", "--color-managed"), "leave one out"),
        (("--dtype", "half"), "dtype='half'"),
        (("--reconstruction", "best"), "reconstruction='best'"),
    ):
        refused = run("decode", "a.jpg", *words, "--overwrite")
        assert refused.code != 0 and message in " ".join(refused.err.split()), (words, refused.err)
    assert io.BytesIO(data).read() == Path("a.jpg").read_bytes()


def test_options_know_when_pixels_are_libjpegs() -> None:
    assert not DecodeOptions().precise(8) and not DecodeOptions(dtype="uint8").precise(8)
    assert DecodeOptions(dtype="uint16").precise(12) and DecodeOptions(reconstruction="laplacian").precise(8)
    ((pixels, notes),) = codec.decode([jpegjax.encode(waves(8, 8))], DecodeOptions(dtype="float32"), "host", None)
    assert pixels.dtype == np.float32 and notes == []
