"""The public doors: same kind in and out, every kind of input, errors that name argument, value and what is allowed."""

from __future__ import annotations

import inspect
import io
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracles import pillow, pillow_pixels
from pictures import picture
from PIL import Image
from streams import icc_profile

import jpegjax

ENGINES = ("host", "xla")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_and_pixels_are_libjpeg_turbos(engine: str, channels: int) -> None:
    image = picture(37, 53, channels)
    data = jpegjax.encode(image, engine=engine)
    assert data == pillow(image)
    pixels = jpegjax.decode(data, engine=engine)
    assert isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    assert np.array_equal(pixels, pillow_pixels(data))


SETTINGS = [
    ({"quality": 1}, {}),
    ({"quality": 100, "subsampling": "4:4:4"}, {"subsampling": 0}),
    ({"subsampling": "2x1"}, {"subsampling": 1}),
    ({"subsampling": [(2, 2), (1, 1), (1, 1)], "optimize": True}, {"subsampling": 2}),
    ({"progressive": True, "quality": 90}, {}),
    ({"restart_rows": 1}, {"restart_marker_rows": 1}),
    ({"restart_blocks": 3}, {"restart_marker_blocks": 3}),
    ({"comment": "köln", "dpi": (72, 300)}, {"comment": "köln".encode()}),
    ({"icc_profile": icc_profile(70_000)}, {}),
    ({"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "xmp": b"<x/>"}, {}),
    ({"qtables": [np.arange(1, 65).reshape(8, 8), np.full((8, 8), 200)]}, {"quality": -1}),
]


@pytest.mark.parametrize(("ours", "theirs"), SETTINGS, ids=lambda value: ",".join(value))
def test_options_mean_what_pillows_mean(ours: dict, theirs: dict) -> None:
    same = {k: v for k, v in ours.items() if not k.startswith(("restart", "subsampling"))} | theirs
    if "qtables" in same:
        same["qtables"] = [np.ravel(table).tolist() for table in same["qtables"]]
    image = picture(37, 53)
    assert jpegjax.encode(image, **ours) == pillow(image, **same)


def test_same_kind_in_same_kind_out() -> None:
    a, b, grey = picture(37, 53, seed=1), picture(20, 9, seed=2), picture(8, 8, 1)
    assert isinstance(jpegjax.encode(a), bytes)
    files = jpegjax.encode([a, b, grey])
    assert files == [pillow(a), pillow(b), pillow(grey)]
    assert jpegjax.encode((a, b)) == files[:2]
    assert jpegjax.encode(np.stack([a, a])) == [pillow(a)] * 2
    assert jpegjax.encode(grey[:, :, None]) == files[2]
    assert jpegjax.encode([]) == [] and jpegjax.decode([]) == []
    pixels = jpegjax.decode(files)
    assert isinstance(pixels, list) and [p.shape for p in pixels] == [(37, 53, 3), (20, 9, 3), (8, 8)]
    assert all(np.array_equal(p, pillow_pixels(f)) for p, f in zip(pixels, files, strict=True))
    coefficients = jpegjax.read_coefficients(files)
    assert isinstance(coefficients, list) and isinstance(jpegjax.read_coefficients(files[0]), jpegjax.Coefficients)
    assert jpegjax.write_coefficients(coefficients) == files
    assert jpegjax.write_coefficients(coefficients[0]) == files[0]


def test_every_kind_of_source(tmp_path: Path) -> None:
    data = pillow(picture(37, 53))
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    want = pillow_pixels(data)
    padded = np.frombuffer(b"\0" + data, np.uint8)[1:]
    sources = [
        data,
        bytearray(data),
        memoryview(data),
        memoryview(data + b"x")[:-1],
        padded,
        path,
        str(path),
        io.BytesIO(data),
    ]
    for source in sources:
        assert np.array_equal(jpegjax.decode(source), want)
    with path.open("rb") as file:
        assert np.array_equal(jpegjax.decode([file, path])[0], want)
    assert jpegjax.info(path).width == jpegjax.info(data).width == 53
    assert jpegjax.read_coefficients(str(path)).frame.height == 37


def test_inputs_are_left_alone_and_need_no_layout() -> None:
    image = picture(37, 53)
    kept = image.copy()
    wide = np.zeros((37, 106, 3), np.uint8)
    wide[:, ::2] = image
    assert jpegjax.encode(wide[:, ::2]) == jpegjax.encode(np.asfortranarray(image)) == pillow(image)
    frozen = image.copy()
    frozen.flags.writeable = False
    assert jpegjax.encode(frozen) == pillow(image)
    assert jpegjax.encode(image[::-1, ::-1]) == pillow(np.ascontiguousarray(image[::-1, ::-1]))
    assert np.array_equal(image, kept)
    pixels = jpegjax.decode(pillow(image))
    pixels[:] = 0


@pytest.mark.parametrize("engine", ENGINES)
def test_jax_arrays_in(engine: str) -> None:
    import jax.numpy as jnp

    image = picture(37, 53)
    assert jpegjax.encode(jnp.asarray(image), engine=engine) == pillow(image)
    assert jpegjax.encode(jnp.asarray(np.stack([image, image])), engine=engine) == [pillow(image)] * 2


def test_a_named_device_keeps_the_pixels() -> None:
    import jax

    data = pillow(picture(37, 53))
    pixels = jpegjax.decode(data, device=jax.devices()[0])
    assert isinstance(pixels, jax.Array) and pixels.devices() == {jax.devices()[0]}
    assert np.array_equal(np.asarray(pixels), pillow_pixels(data))


def test_coefficients_are_a_pytree() -> None:
    import jax

    found = jpegjax.read_coefficients(pillow(picture(37, 53)))
    assert [leaf.dtype for leaf in jax.tree.leaves(found)] == [np.int16] * 3 + [np.uint16] * 3
    doubled = jax.tree.map(lambda leaf: leaf, found)
    assert isinstance(doubled, jpegjax.Coefficients) and doubled.frame == found.frame
    assert found.planes[0].shape == (1, 5, 7, 8, 8) and found.planes[1].shape == (1, 3, 4, 8, 8)


def test_coefficients_are_those_of_the_transform() -> None:
    flat = np.full((8, 8), 200, np.uint8)
    (plane,) = jpegjax.read_coefficients(pillow(flat, quality=50)).planes
    want = np.zeros((1, 1, 1, 8, 8))
    want[..., 0, 0] = (200 - 128) * 8 // 16
    assert np.array_equal(plane, want)


def test_recoding_coefficients_keeps_pixels() -> None:
    data = pillow(picture(37, 53), quality=40)
    coefficients = jpegjax.read_coefficients(data)
    for settings in ({"optimize": True}, {"progressive": True}, {"restart_rows": 1}):
        again = jpegjax.write_coefficients(coefficients, **settings)
        assert again == pillow(
            picture(37, 53), quality=40, **{k.replace("restart", "restart_marker"): v for k, v in settings.items()}
        )


def test_imread_and_imwrite(tmp_path: Path) -> None:
    image, path = picture(37, 53), tmp_path / "x.jpg"
    jpegjax.imwrite(path, image, quality=90)
    assert path.read_bytes() == pillow(image, quality=90)
    assert np.array_equal(jpegjax.imread(path), pillow_pixels(path.read_bytes()))
    assert jpegjax.imread(path, mode="L").shape == (37, 53)
    with pytest.raises(ValueError, match="quality=0"):
        jpegjax.imwrite(path, picture(37, 53, seed=5), quality=0)
    assert path.read_bytes() == pillow(image, quality=90)
    assert [p.name for p in tmp_path.iterdir()] == ["x.jpg"]
    with pytest.raises(TypeError, match="imwrite takes one image"):
        jpegjax.imwrite(path, [image])
    with pytest.raises(TypeError, match="imread takes one file"):
        jpegjax.imread([path])
    with pytest.raises(FileNotFoundError):
        jpegjax.imread(tmp_path / "none.jpg")


def test_decode_options() -> None:
    data = pillow(picture(37, 53))
    with Image.open(io.BytesIO(data)) as draft:
        draft.draft("L", None)
        assert np.array_equal(jpegjax.decode(data, mode="L"), np.asarray(draft))
    grey = pillow(picture(37, 53, 1))
    assert np.array_equal(jpegjax.decode(grey, mode="RGB"), np.repeat(pillow_pixels(grey)[:, :, None], 3, 2))
    assert not np.array_equal(jpegjax.decode(data, upsample="nearest"), pillow_pixels(data))
    plain = pillow(picture(37, 53), subsampling=0)
    assert np.array_equal(jpegjax.decode(plain, upsample="nearest"), pillow_pixels(plain))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = pillow(picture(37, 53), exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        want = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(jpegjax.decode(data, apply_exif_orientation=True), want)
    assert np.array_equal(jpegjax.decode(data), pillow_pixels(data))
    assert jpegjax.info(data).metadata.orientation == orientation


IMAGE = picture(37, 53) % 249
REFUSED = [
    (IMAGE.astype(np.float32), {}, TypeError, r"images: dtype float32; must be uint8"),
    (IMAGE.astype(np.uint16), {}, TypeError, r"dtype uint16"),
    (IMAGE.tolist(), {}, TypeError, r"images: must be a NumPy or JAX array, not list; pass np\.asarray"),
    ("x.png", {}, TypeError, r"images: must be a NumPy or JAX array"),
    (None, {}, TypeError, r"images: must be a NumPy or JAX array.*NoneType"),
    (IMAGE[0, 0], {}, ValueError, r"images: shape \(3,\); must be \[H, W\]"),
    (np.zeros((4, 4, 2), np.uint8), {}, ValueError, r"shape \(4, 4, 2\)"),
    (np.zeros((4, 4, 5), np.uint8), {}, ValueError, r"shape \(4, 4, 5\)"),
    (np.zeros((2, 4, 4, 2), np.uint8), {}, ValueError, r"\[N, H, W, 1\], \[N, H, W, 3\] or \[N, H, W, 4\]"),
    (IMAGE, {"precision": 12}, TypeError, r"dtype uint8; must be uint16 \(values 0..4095\)"),
    (IMAGE.astype(np.uint16) << 8, {"precision": 12}, ValueError, r"values up to 63488; precision=12 holds 0..4095"),
    (IMAGE, {"precision": 10}, ValueError, r"precision=10"),
    (IMAGE, {"quality": (75, 60, 60)}, ValueError, r"two of them for luma and chroma"),
    (IMAGE, {"quality": (75, 0)}, ValueError, r"quality\[1\]=0: must be 1..100"),
    (np.zeros((0, 5, 3), np.uint8), {}, ValueError, r"5×0 pixels; each side must be 1..65535"),
    (np.zeros((1, 65_536), np.uint8), {}, ValueError, r"65536×1 pixels"),
    ([IMAGE, IMAGE.astype(float)], {}, TypeError, r"images\[1\]: dtype float64"),
    (IMAGE, {"quality": 0}, ValueError, r"quality=0: must be 1..100"),
    (IMAGE, {"quality": 101}, ValueError, r"quality=101"),
    (IMAGE, {"quality": 75.0}, TypeError, r"quality=75.0: must be an integer 1..100, not float"),
    (IMAGE, {"quality": True}, TypeError, r"not bool"),
    (IMAGE, {"subsampling": "4:2:1"}, ValueError, r"subsampling='4:2:1': must be one of 4:4:4"),
    (IMAGE, {"subsampling": 3}, ValueError, r"subsampling=3.*Pillow's 0, 1, 2"),
    (IMAGE, {"subsampling": True}, TypeError, r"subsampling=True"),
    (IMAGE, {"subsampling": "3x1,2x1,1x1"}, ValueError, r"every factor must divide"),
    (IMAGE, {"subsampling": "4x4"}, ValueError, r"at most 10 blocks"),
    (IMAGE, {"qtables": [[0] * 64]}, ValueError, r"qtables: steps 0..0 given; must be 1..65535"),
    (IMAGE, {"qtables": [1, 2, 3]}, ValueError, r"qtables: must be 1 to 4 tables of 64"),
    (IMAGE, {"optimize": 1}, TypeError, r"optimize=1: must be True or False"),
    (IMAGE, {"restart_rows": -1}, ValueError, r"restart_rows=-1: must be 0..65535"),
    (IMAGE, {"restart_rows": 1, "restart_blocks": 1}, ValueError, r"give one of them"),
    (IMAGE, {"comment": 5}, TypeError, r"comment: must be bytes, not int"),
    (IMAGE, {"icc_profile": "srgb"}, TypeError, r"icc_profile: must be bytes, not str"),
    (IMAGE, {"dpi": 300}, TypeError, r"dpi=300: must be a pair"),
    (IMAGE, {"dpi": (0, 1)}, ValueError, r"dpi\[0\]=0: must be 1..65535"),
    (IMAGE, {"engine": "cuda"}, ValueError, r"engine='cuda': must be one of 'auto', 'host', 'xla'"),
    (IMAGE, {"engine": "host", "device": "cpu"}, ValueError, r"device='cpu': the host engine has no devices"),
    (IMAGE, {"tune": "ssim"}, ValueError, r"tune='ssim': must be one of None, False, True, 'psnr'"),
    (IMAGE, {"tune": 1}, TypeError, r"tune=1: must be one of"),
    (IMAGE, {"tune": "psnr", "lossless": True}, ValueError, r"tune='psnr': lossless"),
    (IMAGE, {"tune": "psnr", "qtables": [[1] * 64]}, ValueError, r"give tune or qtables"),
    (IMAGE.astype(np.uint16), {"tune": True, "precision": 12}, ValueError, r"tune=True: only files of 8 bits"),
    (np.dstack([IMAGE, IMAGE[..., :1]]), {"tune": True, "mode": "CMYK"}, ValueError, r"only grey and RGB"),
    (IMAGE, {"target_bytes": 0}, ValueError, r"target_bytes=0: must be 1\.\."),
    (IMAGE, {"target_bytes": 1.5}, TypeError, r"target_bytes=1\.5"),
    (IMAGE, {"target_bytes": 9000, "target_metric": ("psnr", 40)}, ValueError, r"give one of them"),
    (IMAGE, {"target_bytes": 9000, "lossless": True}, ValueError, r"target_bytes: it chooses the tables; lossless"),
    (IMAGE, {"target_metric": "psnr"}, TypeError, r"target_metric='psnr': must be a pair"),
    (IMAGE, {"target_metric": ("psnr", "40")}, TypeError, r"must be a pair"),
    (IMAGE, {"target_metric": ("lpips", 1)}, ValueError, r"one of \('ssimulacra2', 0\.\.100\)"),
    (IMAGE, {"target_metric": ("ssim", 1.2)}, ValueError, r"'ssim', 0\.\.1\)"),
]


@pytest.mark.parametrize(("images", "options", "kind", "message"), REFUSED, ids=itertools.count())
def test_encode_names_what_is_wrong(images: object, options: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        jpegjax.encode(images, **options)


@pytest.mark.parametrize(
    ("data", "options", "kind", "message"),
    [
        (5, {}, TypeError, r"data: must be bytes, a buffer, a path or a binary file, not int"),
        (io.StringIO("text"), {}, TypeError, r"data: the file object must be opened in binary mode"),
        ([pillow(IMAGE), 5], {}, TypeError, r"data\[1\]"),
        (pillow(IMAGE), {"mode": "YCbCr"}, ValueError, r"mode='YCbCr': must be one of None, 'L', 'RGB'"),
        (pillow(IMAGE), {"scale": 0.3}, ValueError, r"scale=0\.3: must be k/8 with k = 1\.\.16"),
        (pillow(IMAGE), {"crop": (1, 2, 3)}, ValueError, r"crop=\(1, 2, 3\): must be four integers"),
        (pillow(IMAGE), {"upsample": "cubic"}, ValueError, r"upsample='cubic'"),
        (
            pillow(IMAGE),
            {"reconstruction": "centre"},
            ValueError,
            r"reconstruction='centre': must be one of 'midpoint'",
        ),
        (
            pillow(IMAGE),
            {"restore": "yes"},
            ValueError,
            r"restore='yes': must be one of False, True, 'auto', 'consistent'",
        ),
        (pillow(IMAGE), {"restore": 1}, TypeError, r"restore=1: must be False, True, 'auto', 'consistent'"),
        (
            pillow(IMAGE),
            {"restore": True, "scale": 2},
            ValueError,
            r"restore=True: is for the full size, scale=1, not 2",
        ),
        (pillow(IMAGE), {"restore": True, "upsample": "nearest"}, ValueError, r"the network grows chroma"),
        (pillow(IMAGE), {"restore": "auto", "reconstruction": "laplacian"}, ValueError, r"leave reconstruction out"),
        (pillow(IMAGE), {"dtype": "int8"}, ValueError, r"dtype='int8': must be None, uint8, uint16, float32"),
        (pillow(IMAGE), {"dtype": 8}, TypeError, r"dtype=8: must be None, uint8, uint16, float32"),
        (pillow(IMAGE), {"limits": 10}, TypeError, r"limits=10: must be a jpegjax.Limits"),
        (pillow(IMAGE), {"limits": jpegjax.Limits(pixels=100)}, jpegjax.LimitExceeded, r"53×37"),
        (b"", {}, jpegjax.CorruptJpeg, r"byte offset 0"),
        (b"GIF89a", {}, jpegjax.CorruptJpeg, r"SOI"),
    ],
    ids=itertools.count(),
)
def test_decode_names_what_is_wrong(data: object, options: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        jpegjax.decode(data, **options)


def test_damage_warns_or_raises() -> None:
    whole = pillow(picture(37, 53))
    cut = whole[:-100]
    with pytest.warns(jpegjax.JpegWarning, match="byte offset") as caught:
        pixels = jpegjax.decode(cut)
    assert pixels.shape == (37, 53, 3) and caught[0].filename == __file__
    with pytest.raises(jpegjax.CorruptJpeg, match="byte offset") as error:
        jpegjax.decode(cut, strict=True)
    assert isinstance(error.value.offset, int)
    with pytest.warns(jpegjax.JpegWarning, match=r"^data\[1\]: "):
        jpegjax.decode([whole, cut])
    with pytest.raises(jpegjax.CorruptJpeg) as error:
        jpegjax.decode([whole, b"broken"])
    assert str(error.value).startswith("item 1: ")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert jpegjax.read_coefficients(cut).frame == jpegjax.read_coefficients(whole).frame


def test_a_tiny_file_that_claims_the_world_costs_nothing() -> None:
    data = bytearray(pillow(np.zeros((8, 8), np.uint8)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (65_284).to_bytes(2, "big") + (62_994).to_bytes(2, "big")
    with pytest.raises(jpegjax.LimitExceeded, match="62994×65284"):
        jpegjax.decode(bytes(data))


def test_doors_have_the_promised_signatures() -> None:
    def names(door: Callable) -> list[str]:
        return list(inspect.signature(door).parameters)

    assert names(jpegjax.encode) == [
        "images", "quality", "subsampling", "qtables",
        "qslots", "color", "smoothing", "like", "optimize", "progressive", "arithmetic", "scans", "restart_rows",
        "restart_blocks", "tune", "dering", "refine", "importance", "target_bytes", "target_metric", "icc_profile", "exif", "xmp",
        "comment", "dpi", "precision", "mode", "lossless", "predictor", "point_transform",
        "streamtype", "gain_map", "errors", "engine", "device",
    ]  # fmt: skip
    assert names(jpegjax.decode) == [
        "data", "mode", "scale", "crop", "upsample", "reconstruction", "restore", "dtype", "apply_exif_orientation", "strict",
        "limits", "tables", "color", "picture", "errors", "engine", "device",
    ]  # fmt: skip
    for door in (jpegjax.encode, jpegjax.decode, jpegjax.read_coefficients, jpegjax.write_coefficients):
        first, *rest = inspect.signature(door).parameters.values()
        assert first.kind is first.POSITIONAL_OR_KEYWORD and all(p.kind is p.KEYWORD_ONLY for p in rest)
