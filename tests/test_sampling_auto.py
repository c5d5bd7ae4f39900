"""subsampling="auto": which pictures keep their chroma whole, the same on every engine."""

from __future__ import annotations

import io

import jax
import numpy as np
import pytest
from command_line import Run
from pictures import waves
from PIL import Image

import jpegjax
from jpegjax.jpeg.tuned.recipe import load_recipe
from jpegjax.jpeg.tuned.sampling import fitting_sampling
from jpegjax.kernels.detail import chroma_detail
from jpegjax.options import EncodeOptions


def strokes(height: int = 96, width: int = 128, ink=(255, 0, 0), ground=(255, 255, 255)) -> np.ndarray:
    """Thin coloured strokes, as text has them."""
    image = np.full((height, width, 3), ground, np.uint8)
    for x in range(5, width - 6, 7):
        image[10 + x % 5 : height - 10, x : x + 1 + x % 2] = ink
    image[20 : height - 8 : 9, 8:-8] = ink
    return image


def calm(height: int = 96, width: int = 128) -> np.ndarray:
    """Colours that change slowly, and fine grey structure."""
    y, x = np.mgrid[:height, :width]
    grey = 60 * (x // 2 % 2) * (y // 3 % 2)
    colours = np.stack([70 + 60 * x / width, 90 + 0 * x, 120 - 50 * y / height], -1)
    return (colours + grey[..., None]).astype(np.uint8)


def sampling(data: bytes) -> str:
    return jpegjax.info(data).subsampling


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (7, 3), (16, 33), (65, 130), (600, 701)])
def test_detail_is_what_averages_of_pillows_chroma_lose(height: int, width: int) -> None:
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    planes = np.asarray(Image.fromarray(image).convert("YCbCr")).astype(np.int64)[: height & ~1, : width & ~1, 1:]
    quads = planes.reshape(height // 2, 2, width // 2, 2, 2)
    exact = np.square(quads - quads.mean((1, 3), keepdims=True)).sum()
    assert chroma_detail(image) == pytest.approx(4 * exact, rel=0.02, abs=1)  # Pillow's chroma may be one off libjpeg's
    assert chroma_detail(np.ascontiguousarray(image[..., :1].repeat(3, 2))) == 0


@pytest.mark.parametrize("tune", [None, True, "psnr", "ssimulacra2"])
def test_coloured_strokes_keep_their_chroma_and_smooth_pictures_do_not(tune) -> None:
    for quality in (75, 90):
        options = {"tune": tune, "quality": quality}
        for image, want in ((strokes(), "4:4:4"), (calm(), "4:2:0"), (strokes(ink=(0, 0, 0)), "4:2:0")):
            data = jpegjax.encode(image, subsampling="auto", **options)
            assert sampling(data) == want
            assert data == jpegjax.encode(image, subsampling=want, **options)
    assert sampling(jpegjax.encode(strokes(), quality=2, subsampling="auto", tune=tune)) == "4:2:0"


def test_it_is_the_tunes_default_alone() -> None:
    assert sampling(jpegjax.encode(strokes())) == "4:2:0"
    assert jpegjax.encode(strokes(), tune=True) == jpegjax.encode(strokes(), tune=True, subsampling="4:4:4")
    assert jpegjax.encode(waves(60, 80, 3), tune=True) == jpegjax.encode(
        waves(60, 80, 3), tune=True, subsampling="4:2:0"
    )


def test_the_finer_a_file_the_less_it_may_lose() -> None:
    image = waves(240, 320, 3)
    image[:40] = strokes(40, 320)
    chosen = [fitting_sampling(image, load_recipe("all", q).steps[:2], True) for q in range(1, 101)]
    assert chosen == sorted(chosen)
    assert {*chosen} == {"4:2:0", "4:4:4"}
    plain = [fitting_sampling(image, load_recipe("all", q).steps[:2], False) for q in range(1, 101)]
    assert plain.count("4:4:4") <= chosen.count("4:4:4")


@pytest.mark.parametrize("tune", [None, pytest.param("ssimulacra2", marks=pytest.mark.slow)])
def test_a_batch_may_mix_on_either_engine(tune) -> None:
    grey = calm(40, 56)[..., 0]
    batch = [strokes(40, 56), calm(40, 56), np.ascontiguousarray(grey), strokes(40, 56, (0, 0, 255))]
    host = jpegjax.encode(batch, tune=tune, subsampling="auto")
    assert [sampling(data) for data in host] == ["4:4:4", "4:2:0", sampling(jpegjax.encode(batch[2])), "4:4:4"]
    assert host == [jpegjax.encode(image, tune=tune, subsampling="auto") for image in batch]
    assert host[2] == jpegjax.encode(batch[2], tune=tune)
    on_device = [jax.device_put(image) for image in batch]
    assert jpegjax.encode(on_device, tune=tune, subsampling="auto", engine="xla") == host


@pytest.mark.parametrize("tune", [None, True])
def test_targets_choose_too(tune) -> None:
    batch = [strokes(), calm()]
    for target in ({"target_bytes": 4500}, {"target_metric": ("psnr", 32.0)}):
        files = jpegjax.encode(batch, tune=tune, subsampling="auto", **target)
        assert [sampling(data) for data in files] == ["4:4:4", "4:2:0"]
        for image, data, name in zip(batch, files, ("4:4:4", "4:2:0"), strict=True):
            assert data == jpegjax.encode(image, tune=tune, subsampling=name, **target)


def test_full_chroma_pays_where_it_is_chosen() -> None:
    """The smaller file that is the nearer one too."""
    image = strokes()

    def error(data: bytes) -> float:
        return np.square(np.asarray(Image.open(io.BytesIO(data))).astype(float) - image).mean()

    full = jpegjax.encode(image, tune=True, quality=75)
    half = jpegjax.encode(image, tune=True, quality=95, subsampling="4:2:0")
    assert sampling(full) == "4:4:4"
    assert len(full) < len(half)
    assert error(full) < error(half)


@pytest.mark.parametrize(
    "options",
    [{"lossless": True}, {"streamtype": 1}, {"precision": 12}, {"color": "RGB"}, {"color": "CMYK"}],
)
def test_refusals_name_what_does_not_go_with_it(options) -> None:
    with pytest.raises(ValueError, match=f"subsampling='auto': .*{next(iter(options))}"):
        EncodeOptions(subsampling="auto", **options)
    with pytest.raises(ValueError, match="must be one of"):
        EncodeOptions(subsampling="automatic")


def test_the_command_takes_it(run: Run, tmp_path) -> None:
    Image.fromarray(strokes()).save(tmp_path / "text.png")
    assert run("encode", tmp_path / "text.png", "-o", tmp_path / "text.jpg", "--subsampling", "auto").code == 0
    assert sampling((tmp_path / "text.jpg").read_bytes()) == "4:4:4"
