"""Batches depend on their number alone; pictures come from folders, packs and one file of pixels; what is wrong is named."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from training import patches

import jpegjax
from jpegjax.train import Arrays, Crops, Files, Pack, split
from jpegjax.train.pictures import Unreadable


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def saved(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """photos/: a.png, inner/b.jpg, inner/c.avif, grey.png; and pack.zip: d.png, e.PNG."""
    photos = tmp_path / "photos"
    (photos / "inner").mkdir(parents=True)
    (photos / "a.png").write_bytes(saved(picture(40, 50, 1), "PNG"))
    (photos / "inner" / "b.jpg").write_bytes(saved(picture(33, 47, 2), "JPEG"))
    (photos / "inner" / "c.avif").write_bytes(saved(picture(48, 32, 3), "AVIF", quality=90))
    (photos / "grey.png").write_bytes(saved(picture(40, 40, 4)[..., 0], "PNG"))
    (photos / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
        pack.writestr("d.png", saved(picture(36, 36, 5), "PNG"))
        pack.writestr("e.PNG", saved(picture(37, 38, 6), "PNG"))
        pack.writestr("list.csv", "x")
    return photos


def test_files_of_folders_and_packs(folder: Path) -> None:
    files = Files(folder, folder.parent / "pack.zip", folder / "a.png")
    assert files.names == ["a.png", "a.png", "d.png", "e.PNG", "grey.png", "inner/b.jpg", "inner/c.avif"]
    read = {name: files.read(i) for i, name in enumerate(files.names)}
    assert all(x.dtype == np.uint8 and x.shape[2] == 3 for x in read.values())
    assert (read["a.png"] == picture(40, 50, 1)).all() and (read["e.PNG"] == picture(37, 38, 6)).all()
    assert (read["grey.png"] == picture(40, 40, 4)[..., :1]).all()
    assert (read["inner/b.jpg"] == jpegjax.decode(folder / "inner" / "b.jpg")).all()
    assert read["inner/c.avif"].shape == (48, 32, 3)


def test_pack_holds_the_same_pixels_and_is_made_once(folder: Path, tmp_path: Path) -> None:
    files, path = Files(folder, tmp_path / "pack.zip"), tmp_path / "cache" / "pixels"
    pack = Pack.make(files, path)
    assert pack.names == files.names and [p.name for p in path.parent.iterdir()] == ["pixels"]
    assert all((pack.read(i) == files.read(i)).all() for i in range(len(files.names)))
    made = path.stat().st_mtime_ns
    assert Pack.make(files, path).names == files.names and path.stat().st_mtime_ns == made
    with pytest.raises(ValueError, match="was made of other pictures; delete it, or give another path"):
        Pack.make(Files(folder), path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="no pack of pixels, or cut; delete it"):
        Pack(path)


def test_unreadable_pictures_are_named_once_and_left_out(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "a.png").read_bytes()
    for bad, data in (
        ("cut.png", whole[:300]),
        ("empty.jpg", b""),
        ("noise.avif", bytes(100)),
        ("stub.jpg", b"\xff\xd8\xff"),
    ):
        (folder / bad).write_bytes(data)
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(folder / "deep.png")
    deep = np.asarray(picture(9, 9, 1)).astype(np.uint16)
    (folder / "deep.jpg").write_bytes(jpegjax.encode(deep * 16, precision=12))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep * 257)
    chunks = b"IHDR" + struct.pack(">IIBBBBB", 9, 9, 16, 2, 0, 0, 0), b"IDAT" + zlib.compress(rows), b"IEND"
    parts = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    (folder / "rgb16.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    files = Files(folder)
    data = Crops(files, 16)
    with pytest.warns(UserWarning, match="it is left out") as seen:
        batches = list(islice(data.stream(0, 27), 2))
    assert all(batch["pixels"].shape == (27, 16, 16, 3) for batch in batches)
    named = sorted(re.match(r".*/(\S+): cannot be read: \S+", str(w.message))[1] for w in seen)  # type: ignore[index]
    assert named == ["cut.png", "deep.jpg", "deep.png", "empty.jpg", "noise.avif", "rgb16.png", "stub.jpg"]
    with pytest.warns(UserWarning, match="it is left out") as seen:
        pack = Pack.make(files, tmp_path / "pixels")
    assert len(seen) == 7 and pack.names == ["a.png", "grey.png", "inner/b.jpg", "inner/c.avif"]


def test_where_nothing_remains_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such file, folder or pack"):
        Files(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match=r"no pictures in .*; there must be files named \*\.avif, \*\.jpeg, \*\.jpg, \*\.png"
    ):
        Files(tmp_path)
    (tmp_path / "no.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"no\.zip: no zip pack"):
        Files(tmp_path / "no.zip")
    (tmp_path / "bad.png").write_bytes(b"no")
    files = Files(tmp_path)
    with pytest.raises(Unreadable, match=r"bad\.png: cannot be read"):
        files.read(0)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"none of the 1 pictures can be read, 'bad\.png'"):
        next(Crops(files, 8).stream(0, 2))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"none of the 1 pictures can be read, 'bad\.png'"):
        Pack.make(files, tmp_path / "pixels")
    assert not list(tmp_path.glob("pixels*"))
    with pytest.raises(ValueError, match="there are no pictures to train on"):
        Crops(split(files, 1.0)[0], 8)
    with pytest.raises(ValueError, match="there are no rows"):
        Arrays(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"must all have the same number of rows, not \{'a': 2, 'b': 3\}"):
        Arrays({"a": np.zeros(2), "b": np.zeros(3)})


class Held:
    """Pictures in memory."""

    def __init__(self, *pictures: np.ndarray) -> None:
        self.pictures, self.names = pictures, [f"{i}.png" for i in range(len(pictures))]

    def read(self, index: int) -> np.ndarray:
        return self.pictures[index]


def test_crops_are_windows_of_their_pictures_half_of_them_mirrored() -> None:
    y, x = np.mgrid[:20, :30]
    (batch,) = islice(Crops(Held(np.stack([y, x, x + y], -1).astype(np.uint8)), 12).stream(0, 400), 1)
    crops = batch["pixels"].astype(int)
    mirrored = crops[:, 0, 0, 1] > crops[:, 0, -1, 1]
    straight = np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
    corner = straight[:, :1, :1, :2]
    assert (straight[..., :2] == corner + np.stack(np.mgrid[:12, :12], -1)).all()
    assert (straight[..., 2] == straight[..., 0] + straight[..., 1]).all()
    assert set(corner[..., 0].ravel()) == {*range(9)} and set(corner[..., 1].ravel()) == {*range(19)}
    assert 150 < mirrored.sum() < 250


@given(st.integers(1, 40), st.integers(1, 40))
def test_small_pictures_are_continued_by_reflection(height: int, width: int) -> None:
    pixels = picture(height, width)
    found = Crops(Held(pixels), 24).sample(0, np.random.default_rng(height))["pixels"]
    assert found.shape == (24, 24, 3)

    def reflected(i: int, length: int) -> int:
        period = max(1, 2 * length - 2)
        return min(i % period, period - i % period) if length > 1 else 0

    rows = [reflected(i, height) for i in range(max(24, height))]
    columns = [reflected(i, width) for i in range(max(24, width))]
    whole = pixels[rows][:, columns]
    windows = (
        np.lib.stride_tricks.sliding_window_view(whole, (24, 24), (0, 1))
        .transpose(0, 1, 3, 4, 2)
        .reshape(-1, 24, 24, 3)
    )
    assert any((w == found).all() or (w[:, ::-1] == found).all() for w in windows)


def rows(source: Any, start: int, count: int, batch: int, **where: int) -> list[np.ndarray]:
    stream = source.stream(start, batch, **where)
    found = [x["pixels"] for x in islice(stream, count)]
    stream.close()
    return found


@settings(max_examples=12)
@given(seed=st.integers(0, 9), start=st.integers(0, 9), processes=st.sampled_from([1, 2, 3, 4]))
def test_a_batch_depends_on_its_number_alone(seed: int, start: int, processes: int) -> None:
    source = Crops(Held(*(picture(20, 20 + i, i) for i in range(7))), 8, seed)
    whole = np.stack(rows(source, 0, start + 2, 12))[start:]
    parts = [np.stack(rows(source, start, 2, 12, process=p, processes=processes)) for p in range(processes)]
    assert (np.concatenate(parts, axis=1) == whole).all()


def test_each_sample_comes_once_a_round_in_another_order() -> None:
    assert len(patches()) == 50
    source = Arrays({"pixels": np.arange(10)}, seed=4)
    order = np.concatenate(rows(source, 0, 15, 2)).reshape(3, 10)
    assert (np.sort(order, axis=1) == np.arange(10)).all()
    assert len({tuple(one) for one in order}) == 3
    assert not (np.concatenate(rows(Arrays({"pixels": np.arange(10)}, seed=5), 0, 5, 2)) == order[0]).all()


def test_split_goes_by_the_hash_of_the_name() -> None:
    store = Held(*(np.zeros((1, 1, 3), np.uint8),) * 2000)
    mine, validation = split(store)
    assert sorted([*mine.names, *validation.names]) == sorted(store.names)
    assert 60 < len(validation.names) < 140
    fewer = Held(*store.pictures[:1000])
    assert set(split(fewer)[1].names) == set(validation.names) & set(fewer.names), "others do not matter"
    # sha256("16.png") begins with 0x0b
    assert {n for n in validation.names if int(n[:-4]) < 20} == {n for n in store.names[:20] if _low(n)}


def _low(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) < 0.05 * 16**16


def test_the_training_packs(shared: Path, tmp_path: Path) -> None:
    packs = sorted((shared / "data").glob("train-*.zip"))
    if len(packs) != 3:
        pytest.skip(f"no training pictures under {shared}")
    files = Files(*packs)
    mine, validation = split(files)
    assert len(files.names) == 2108 and len(mine.names) + len(validation.names) == 2108
    assert 70 < len(validation.names) < 140
    (batch,) = islice(Crops(mine, 256, seed=1).stream(0, 4), 1)
    assert batch["pixels"].shape == (4, 256, 256, 3) and batch["pixels"].std() > 10
