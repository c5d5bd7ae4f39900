"""What people hand in as a picture: any layout of an array gives the same file, all else an error with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import pillow
from pictures import picture
from PIL import Image

import jpegjax
from jpegjax import metrics

RGB, GREY, INKS = picture(24, 40), picture(24, 40, 1), picture(24, 40, 4)
DEEP = RGB.astype(np.uint16) * 16


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x: np.ndarray) -> np.ndarray:
    room = np.empty(x.nbytes + 1, np.uint8)
    view = room[1:].view(x.dtype).reshape(x.shape) if x.itemsize == 1 else np.ndarray(x.shape, x.dtype, room, 1)
    view[...] = x
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "little-endian": lambda x: x.astype(x.dtype.newbyteorder("<")),
    "upside down": lambda x: x[::-1].copy()[::-1],
    "mirrored": lambda x: x[:, ::-1].copy()[:, ::-1],
    "BGR": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim == 3 else x,
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "every second": lambda x: np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
    "channels first": lambda x: np.moveaxis(np.moveaxis(x, -1, 0).copy(), 0, -1) if x.ndim == 3 else x,
    "a window": lambda x: np.pad(x, [(3, 4), (5, 6), *[(0, 0)] * (x.ndim - 2)])[3:-4, 5:-6],
    "of bytes": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "unaligned": unaligned,
    "a subclass": lambda x: x.view(type("Own", (np.ndarray,), {})),
    "JAX": jnp.asarray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_make_no_difference(layout: str) -> None:
    for image, options in (
        (RGB, {}), (GREY, {}), (INKS, {"mode": "CMYK"}), (DEEP, {"precision": 12}), (DEEP * 17, {"lossless": True}),
        (RGB, {"lossless": True}),
    ):  # fmt: skip
        assert jpegjax.encode(LAYOUTS[layout](image), **options) == jpegjax.encode(image.copy(), **options)
    batch = (
        LAYOUTS[layout](np.stack([RGB, RGB[::-1]])) if layout not in ("a window", "every second") else np.stack([RGB])
    )
    assert jpegjax.encode(batch)[0] == jpegjax.encode(RGB)
    if layout != "JAX":
        assert float(metrics.psnr(LAYOUTS[layout](DEEP), DEEP, data_range=4095)) == np.inf


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_four_channels_are_inks_only_when_asked(engine: str) -> None:
    for name, given in (("images", INKS), (r"images\[0\]", [INKS]), (r"images\[0\]", np.stack([INKS]))):
        with pytest.raises(ValueError, match=rf'{name}: shape .*\[\.\.\., :3\].*mode="CMYK"'):
            jpegjax.encode(given, engine=engine)
    assert jpegjax.encode(INKS, mode="CMYK", engine=engine) == pillow(INKS)
    assert jpegjax.encode([INKS, INKS], mode="CMYK", engine=engine) == [pillow(INKS)] * 2
    assert jpegjax.encode(INKS[..., :3], engine=engine) == pillow(np.ascontiguousarray(INKS[..., :3]))


@pytest.mark.parametrize(("mode", "right"), [("L", GREY), ("RGB", RGB), ("CMYK", INKS)])
def test_mode_says_what_images_hold(mode: Any, right: np.ndarray) -> None:
    assert jpegjax.encode(right, mode=mode) == pillow(right)
    for other in (GREY, GREY[..., None], RGB, INKS):
        if other.shape[2:] != right.shape[2:] and not (mode == "L" and other.shape[2:] == (1,)):
            with pytest.raises(ValueError, match=f"channels; mode='{mode}' has [134]"):
                jpegjax.encode(other, mode=mode)
    with pytest.raises(ValueError, match="mode='RGBA': must be one of None, 'L', 'RGB', 'CMYK'"):
        jpegjax.encode(right, mode="RGBA")


def pretended(module: str, name: str) -> Any:
    """An object of a library that need not be installed: the type's module is all that tells."""

    def give(self: object, *_: object, **__: object) -> np.ndarray:
        return RGB

    return type(
        name, (), {"__module__": module, "__array__": give, "shape": RGB.shape, "dtype": RGB.dtype, "ndim": 3}
    )()


FOREIGN = {
    "torch": (lambda: pretended("torch", "Tensor"), r"torch Tensor.*\.cpu\(\)\.numpy\(\).*permute"),
    "torch parameter": (lambda: pretended("torch.nn.parameter", "Parameter"), r"torch Parameter.*cpu"),
    "tensorflow": (lambda: pretended("tensorflow.python.framework.ops", "EagerTensor"), r"tensorflow EagerTensor.*\.numpy\(\)"),
    "pandas": (lambda: pretended("pandas.core.frame", "DataFrame"), r"pandas DataFrame.*to_numpy"),
    "cupy": (lambda: pretended("cupy", "ndarray"), r"cupy ndarray.*\.get\(\)"),
    "PIL": (lambda: Image.fromarray(RGB), r"PIL Image.*np\.asarray\("),
    "list of lists": (lambda: GREY.tolist(), r"not list; pass np\.asarray\("),
    "nested": (lambda: RGB.tolist(), r"not list; pass np\.asarray\("),
    "bytes": (lambda: RGB.tobytes(), "not bytes"),
    "path": (lambda: Path("x.png"), "not PosixPath|not WindowsPath"),
    "number": (lambda: 7, "not int"),
    "nothing": (lambda: None, "not NoneType"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_array_is_named_with_its_remedy(kind: str) -> None:
    make, words = FOREIGN[kind]
    given = make()
    for name, call in (
        ("images", lambda: jpegjax.encode(given)),
        ("images", lambda: jpegjax.simulate(given, 75)),
        ("reference", lambda: metrics.psnr(given, RGB)),
        ("image", lambda: metrics.ssim(RGB, given)),
    ):
        with pytest.raises(TypeError, match=f"^{name}.*(?:{words})"):
            call()
    with pytest.raises(TypeError, match=r"^images\[1\]"):
        jpegjax.encode([RGB, given])
    left = jpegjax.encode([RGB, given], errors="return")
    assert left[0] == jpegjax.encode(RGB) and isinstance(left[1], TypeError)


def test_real_tensors_and_frames() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="images: a torch Tensor"):
        jpegjax.encode(torch.from_numpy(RGB))


def test_traced_arrays_are_refused_where_they_have_no_values() -> None:
    def coded(x: jax.Array) -> jax.Array:
        jpegjax.encode(x)
        return x

    for traced in (jax.jit(coded), jax.vmap(coded), jax.grad(lambda x: coded(x).sum())):
        x = jnp.zeros((2, 8, 8, 3)) if traced is not None else None
        with pytest.raises(TypeError, match=r"images.*traced array.*pure_callback.*simulate"):
            traced(x)
    assert jax.jit(lambda x: jpegjax.simulate(x, 75))(jnp.asarray(RGB)).shape == RGB.shape


@pytest.mark.parametrize("name", ["x.png", "x.PNG", "x.tif", "x.webp", "x.jpg.gz", "x.jp2", "x.jxl", "x.npy"])
def test_imwrite_writes_jpeg_files_only(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(ValueError, match=r"path=.*imwrite writes JPEG files, to \.jpg or \.jpeg.*save\(path\)"):
            jpegjax.imwrite(path, RGB)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.jpg", "x.JPG", "x.jpeg", "x.jpe", "x.jfif", "x.JIF", "x"])
def test_imwrite_takes_every_name_of_a_jpeg_file(tmp_path: Path, name: str) -> None:
    jpegjax.imwrite(tmp_path / name, RGB)
    assert (tmp_path / name).read_bytes() == jpegjax.encode(RGB)
