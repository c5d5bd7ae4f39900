"""JPEG files to batches: the same pixels and coefficients as one by one, in grain's pipelines and without; trouble has a name."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from pictures import slopes
from training import config

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning
from jpegjax.train import Batches, CoefficientBatch, Encoded, PixelBatch, fit, on_devices

grain = pytest.importorskip("grain")

HEIGHT, WIDTH, COUNT = 72, 88, 12


def files(count: int = COUNT, height: int = HEIGHT, width: int = WIDTH, **options: Any) -> list[bytes]:
    images = [slopes(height, width, seed=i) for i in range(count)]
    return jpegjax.encode(images, **{"quality": 85, **options})


def folder_of(contents: list[bytes], folder: Path) -> Path:
    folder.mkdir()
    for i, data in enumerate(contents):
        (folder / f"{i:02}.jpg").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(files(), tmp_path_factory.mktemp("pipeline") / "photos")


def whole(folder: Path) -> np.ndarray:
    return np.stack([jpegjax.decode(path) for path in sorted(folder.glob("*.jpg"))])


def ahead(dataset: Any) -> Any:
    return dataset.to_iter_dataset(grain.ReadOptions(1, 2))


def test_five_lines_of_grain_give_the_pixels_that_decode_gives(photos: Path) -> None:
    dataset = grain.MapDataset.source(Encoded(photos)).shuffle(seed=1).batch(5, batch_fn=PixelBatch())
    found = [batch["pixels"] for batch in ahead(dataset)]
    assert [x.shape for x in found] == [(5, HEIGHT, WIDTH, 3)] * 2 + [(2, HEIGHT, WIDTH, 3)]
    order = list(grain.MapDataset.range(COUNT).shuffle(seed=1))
    assert order != sorted(order) and (np.concatenate(found) == whole(photos)[order]).all()


def test_shards_checkpoints_and_seeds_are_grains(photos: Path) -> None:
    def dataset(shard: int, shards: int) -> Any:
        source = grain.MapDataset.source(Encoded(photos)).seed(4).shuffle().repeat()[shard::shards]
        return ahead(source.batch(12 // shards, batch_fn=list).random_map(PixelBatch(size=(16, 24), place="random")))

    iterator = iter(dataset(0, 1))
    before = [next(iterator)["pixels"] for _ in range(2)]
    state = iterator.get_state()
    after = [next(iterator)["pixels"] for _ in range(2)]
    iterator.set_state(state)
    assert (next(iterator)["pixels"] == after[0]).all() and before[0].shape == (12, 16, 24, 3)
    again = iter(dataset(0, 1))
    assert all((next(again)["pixels"] == x).all() for x in before) and not (before[0] == after[0]).all()
    plain = grain.MapDataset.source(Encoded(photos)).shuffle(seed=4)
    halves = [[e["name"] for e in plain[shard::2]] for shard in (0, 1)]
    assert sorted(halves[0] + halves[1]) == sorted(str(path) for path in photos.glob("*"))


def test_the_data_loader_takes_batches_too(photos: Path) -> None:
    loader = grain.DataLoader(
        data_source=Encoded(photos),
        sampler=grain.samplers.IndexSampler(
            COUNT, grain.sharding.ShardOptions(1, 2), shuffle=False, num_epochs=1, seed=0
        ),
        operations=[grain.transforms.Batch(3, batch_fn=PixelBatch())],
    )
    found = np.concatenate([batch["pixels"] for batch in loader])
    assert (found == whole(photos)[COUNT // 2 :]).all()


@pytest.mark.slow
def test_worker_processes_give_the_same(photos: Path) -> None:
    from absl import flags  # grain's, which its workers read

    flags.FLAGS.mark_as_parsed()
    dataset = grain.MapDataset.source(Encoded(photos)).batch(4, batch_fn=CoefficientBatch())
    iterator = dataset.to_iter_dataset().mp_prefetch(grain.multiprocessing.MultiprocessingOptions(2))
    found = [batch["coefficients"].planes[0] for batch in iterator]
    single = [batch["coefficients"].planes[0] for batch in dataset]
    assert all((x == y).all() for x, y in zip(found, single, strict=True))


def test_coefficients_of_a_batch_are_those_of_its_files(photos: Path) -> None:
    source = Encoded(photos)
    pickled = pickle.loads(pickle.dumps(CoefficientBatch()))
    found = pickled([source[i] for i in range(len(source))])["coefficients"]
    assert found.frame.process is jpegjax.Process.BASELINE and [k.tq for k in found.frame.components] == [0, 1, 2]
    for i, path in enumerate(sorted(photos.glob("*"))):
        alone = jpegjax.read_coefficients(path)
        assert all((p[i] == q[0]).all() for p, q in zip(found.planes, alone.planes, strict=True))
        assert all((p[i] == q).all() for p, q in zip(found.qtables, alone.qtables, strict=True))
        assert (jpegjax.decode(jpegjax.write_coefficients(found[i])) == jpegjax.decode(path)).all()
    moved = jax.tree.map(lambda x: x + 1, found)
    assert isinstance(moved, jpegjax.Coefficients) and moved.frame == found.frame


@pytest.mark.parametrize("size, place", [((32, 48), "middle"), (16, "random")])
def test_windows_of_coefficients_lie_on_the_grid(photos: Path, size: Any, place: Any) -> None:
    source, random = Encoded(photos), np.random.default_rng(2)
    elements = [source[i] for i in range(len(source))]
    found = CoefficientBatch(size=size, place=place)(elements, random)["coefficients"]
    high, wide = size if isinstance(size, tuple) else (size, size)
    assert (found.frame.height, found.frame.width) == (high, wide)
    assert found.planes[0].shape[1:3] == (high // 8, wide // 8)
    assert found.planes[1].shape[1:3] == (high // 16, wide // 16)
    corners = set()
    for i, e in enumerate(elements):
        y, c = jpegjax.read_coefficients(e["data"]).planes[:2]
        places = [
            (r, k)
            for r in range((HEIGHT - high) // 16 + 1)
            for k in range((WIDTH - wide) // 16 + 1)
            if (y[0, 2 * r : 2 * r + high // 8, 2 * k : 2 * k + wide // 8] == found.planes[0][i]).all()
            and (c[0, r : r + high // 16, k : k + wide // 16] == found.planes[1][i]).all()
        ]
        assert places
        corners.add(places[0])
    assert (len(corners) == 1) == (place == "middle")


def test_files_of_several_encoders_go_together() -> None:
    kinds: list[dict[str, Any]] = [{}, {"progressive": True}, {"quality": 40}, {"optimize": True}, {"restart_rows": 1}]
    contents = [data for kind in kinds for data in files(3, **kind)]
    found = CoefficientBatch(subsampling="4:2:0")(contents)["coefficients"]
    assert found.batch == 15 and (found.qtables[0][6] != found.qtables[0][0]).any()
    for i, data in enumerate(contents):
        assert all(
            (p[i] == q[0]).all() for p, q in zip(found.planes, jpegjax.read_coefficients(data).planes, strict=True)
        )


def test_kinds_lie_beside_one_another_in_a_batch() -> None:
    """Two encoders' files, a progressive one, one damaged, one cut: those that begin alike are read by one call."""
    contents = files(20)
    contents[3::4] = files(5, optimize=True)
    contents[6], contents[11] = files(1, progressive=True)[0], files(1, restart_rows=1)[0]
    middle = len(contents[9]) // 2
    contents[9] = contents[9][:middle] + b"\xff\xd0" + contents[9][middle:]
    contents[14] = contents[14][:-40]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = CoefficientBatch()(contents)["coefficients"]
        singles = [jpegjax.read_coefficients(data) for data in contents]
    assert {str(w.message).split(":")[0] for w in told} >= {"item 9", "item 14"}
    for i, single in enumerate(singles):
        for plane, table, own, steps in zip(found.planes, found.qtables, single.planes, single.qtables, strict=True):
            assert (plane[i] == own[0]).all() and (table[i] == steps).all(), i


def test_lists_of_one_encoder_hold_what_single_files_hold() -> None:
    """Files that begin alike are read by one call, those among them that are damaged or cost too much one by one."""
    plain, restarts, grey = files(9), files(5, restart_blocks=3), jpegjax.encode([slopes(40, 56)[..., 0]] * 4)
    plain[2] = plain[2][:-300]
    plain[5] = plain[5][:-2]
    plain[6] = plain[6] + b"more"
    plain[7] = plain[7][:-90] + bytes(88) + b"\xff\xd9"
    contents = [x for some in zip(plain, [*restarts, *grey], strict=True) for x in some]
    single, told = [], []
    for i, data in enumerate(contents):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            single.append(jpegjax.read_coefficients(data))
        told += [f"data[{i}]: {w.message}" for w in seen]
    with pytest.warns(JpegWarning) as seen:
        together = jpegjax.read_coefficients(contents)
    assert [str(w.message) for w in seen] == told and len(told) >= 3
    for a, b in zip(together, single, strict=True):
        assert a.frame == b.frame
        jax.tree.map(np.testing.assert_array_equal, a, b)
    limits = jpegjax.Limits(memory=30_000)
    found = jpegjax.read_coefficients(contents, limits=limits, errors="return")
    assert [isinstance(x, jpegjax.LimitExceeded) for x in found] == [len(x.planes) == 3 for x in single]


@pytest.mark.parametrize("scale", [1, "1/2", "1/4", 0.125])
def test_whole_pictures_at_a_scale(scale: Any) -> None:
    contents = files(9)
    expected = np.stack(jpegjax.decode(contents, scale=scale))
    assert (PixelBatch(scale=scale)(contents)["pixels"] == expected).all()
    grey = PixelBatch(scale=scale, mode="L")(contents)["pixels"]
    assert (grey == np.stack(jpegjax.decode(contents, scale=scale, mode="L"))).all()


def test_files_of_any_kind_become_pixels_of_one_kind() -> None:
    image = slopes(HEIGHT, WIDTH)
    deep = image.astype(np.uint16) * 16
    contents = [
        jpegjax.encode(image[..., 0]),
        jpegjax.encode(np.concatenate([image, image[..., :1]], -1), mode="CMYK"),
        jpegjax.encode(deep, precision=12),
        jpegjax.encode(image, lossless=True),
        jpegjax.encode(image, progressive=True),
        jpegjax.encode(image, arithmetic=True),
    ]
    found = PixelBatch()(contents)["pixels"]
    cut = PixelBatch(size=(30, 41))(contents)["pixels"]
    assert found.dtype == np.uint8
    for data, whole, part in zip(contents, found, cut, strict=True):
        expected = jpegjax.decode(data, mode="RGB", dtype="uint8")
        assert (whole == expected).all() and (part == expected[21:51, 24:65]).all()


def test_grey_files_have_coefficients_of_one_component() -> None:
    contents = [jpegjax.encode(slopes(40, 56, seed=i)[..., 0]) for i in range(3)]
    found = CoefficientBatch(subsampling="grey", size=(24, 32))(contents)["coefficients"]
    assert len(found.planes) == 1 and found.frame.color is jpegjax.ColorSpace.GRAY
    for i, data in enumerate(contents):
        assert (found.planes[0][i] == jpegjax.read_coefficients(data).planes[0][0, 1:4, 2:6]).all()


def test_windows_fill_pictures_of_any_size_at_the_smallest_scale_that_does() -> None:
    sizes = [(64, 64), (65, 128), (300, 200), (520, 513), (40, 33)]
    contents = [files(1, *size)[0] for size in sizes]
    found = PixelBatch(size=64, scale="fit")(contents)["pixels"]
    for data, pixels, (height, width), scale in zip(contents, found, sizes, ("1", "1", "3/8", "1/8", "2"), strict=True):
        shown = jpegjax.decode(data, scale=scale)
        y, x = ((length - 63) // 2 for length in shown.shape[:2])
        assert (pixels == shown[y : y + 64, x : x + 64]).all(), (height, width)
    with pytest.raises(ValueError, match="item 4: 33×40 pixels are too few for a window of 64×64"):
        PixelBatch(size=64)(contents)


def test_other_fields_are_stacked() -> None:
    elements = [{"jpeg": data, "label": np.int32(i), "name": "x"} for i, data in enumerate(files(4))]
    batch = PixelBatch(key="jpeg")(elements)
    assert batch.keys() == {"pixels", "label"} and batch["label"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"key='data': an element has the fields 'jpeg', 'label', 'name'"):
        PixelBatch()(elements)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """12 files, of which 01.jpg is noise, 04.jpg is cut in its header, and 07.jpg cannot be read."""
    folder = folder_of(files(), tmp_path / "broken")
    (folder / "01.jpg").write_bytes(b"no picture")
    (folder / "04.jpg").write_bytes((folder / "04.jpg").read_bytes()[:100])
    return folder


def test_a_broken_file_is_an_error_with_its_path(broken: Path) -> None:
    for make in (PixelBatch(), CoefficientBatch()):
        with pytest.raises(CorruptJpeg, match=r"broken/01\.jpg: ") as caught:
            list(ahead(grain.MapDataset.source(Encoded(broken)).batch(4, batch_fn=make)))
        assert caught.value.message.startswith(f"{broken}/01.jpg: ")
        with pytest.raises(CorruptJpeg, match=r"broken/01\.jpg: "):
            list(Batches(Encoded(broken), make, seed=None, rounds=1).stream(0, 4))


@pytest.mark.parametrize("kind", [PixelBatch, CoefficientBatch])
def test_broken_files_are_left_out_or_blank(broken: Path, kind: Any) -> None:
    source = Encoded(broken)
    (broken / "07.jpg").unlink()
    elements = [source[i] for i in range(COUNT)]
    good = [i for i in range(COUNT) if i not in (1, 4, 7)]
    expected = kind()([elements[i] for i in good])
    drop, blank = kind(errors="drop"), kind(errors="blank")
    for make in (drop, blank):
        with pytest.warns(UserWarning, match=r"0\d\.jpg.*; it is left out") as seen:
            batch = make(elements)
        assert len(seen) == 3 and sorted(make.failures) == [f"{broken}/{i:02}.jpg" for i in (1, 4, 7)]
        assert "No such file" in make.failures[f"{broken}/07.jpg"]
        kept = batch if make is drop else jax.tree.map(lambda x, rows=batch["valid"]: x[rows], batch)
        assert kept.pop("valid", np.True_).all()
        jax.tree.map(np.testing.assert_array_equal, kept, expected)
    assert batch["valid"].tolist() == [i in good for i in range(COUNT)]
    assert not any(leaf[1].any() for leaf in jax.tree.leaves(batch) if leaf.ndim > 3)
    with warnings.catch_warnings(action="error"):
        blank(elements)  # told once
    with pytest.raises(CorruptJpeg, match=r"01\.jpg"):
        drop([elements[1], elements[4]])


def test_damage_is_a_warning_with_a_name_or_an_error() -> None:
    contents = files(3)
    contents[1] = contents[1][:-200]
    elements = [{"data": data, "name": f"{i}.jpg"} for i, data in enumerate(contents)]
    for kind in (PixelBatch, CoefficientBatch):
        with pytest.warns(JpegWarning, match=r"^1\.jpg: .*byte offset") as seen:
            kind()(elements)
        assert all(str(w.message).startswith("1.jpg: ") for w in seen)
        with pytest.raises(CorruptJpeg, match=r"^1\.jpg: "):
            kind(strict=True)(elements)


def test_unequal_files_are_named() -> None:
    contents = [*files(2), *files(1, 80, 88), *files(1, subsampling="4:4:4")]
    with pytest.raises(ValueError, match=r"item 2: 88×80 pixels; item 0: 88×72; give a size for both"):
        PixelBatch()(contents)
    with pytest.raises(ValueError, match=r"item 2: 88×80 ycbcr.*; item 0: 88×72 .*; a batch holds one kind"):
        CoefficientBatch()(contents)
    with pytest.raises(ValueError, match=r"item 3: .* sampling 1x1,1x1,1x1, 8 bits; item 0: "):
        CoefficientBatch(size=32)(contents)
    with pytest.warns(UserWarning, match="item 3: .*other than what was asked for; it is left out"):
        found = CoefficientBatch(size=32, subsampling="4:2:0", errors="drop")(contents)
    assert found["coefficients"].batch == 3
    with pytest.raises(ValueError, match=r"size=\(24, 24\): must be multiples of 16×16"):
        CoefficientBatch(size=24)(contents[:3])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"place": "left"}, "place='left': must be one of"),
        ({"errors": "return"}, "errors='return': must be one of"),
        ({"size": 0}, "size=0: must be 1..65535"),
        ({"place": "random"}, "place='random': needs a size"),
        ({"scale": "fit"}, "scale='fit': needs a size"),
        ({"scale": 0.3}, "scale=0.3: must be k/8"),
        ({"mode": "CMYK"}, "mode='CMYK': must be one of"),
    ],
)
def test_arguments_are_checked_when_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelBatch(**options)


def test_what_is_no_file_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="elements: must be a list"):
        PixelBatch()(b"".join(files(1)))
    with pytest.raises(TypeError, match="item 1: must be bytes"):
        PixelBatch(errors="drop")([*files(1), 3])
    with pytest.raises(ValueError, match="place='random': needs random numbers"):
        PixelBatch(size=8, place="random")(files(1))
    with pytest.raises(ValueError, match="a batch without files"):
        PixelBatch()([])


def test_encoded_takes_jpeg_files_of_folders_and_packs(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
        for path in photos.glob("0*.jpg"):
            pack.write(path, f"inner/{path.name}")
        pack.writestr("notes.png", b"")
    source = pickle.loads(pickle.dumps(Encoded(tmp_path / "pack.zip")))
    assert len(source) == 10 and source[3]["name"] == f"{tmp_path}/pack.zip: inner/03.jpg"
    assert source[3]["data"] == (photos / "03.jpg").read_bytes()


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_batch_depends_on_its_number_alone(photos: Path, processes: int) -> None:
    batches = Batches(Encoded(photos), PixelBatch(size=16, place="random"), seed=3)

    def rows(start: int, process: int, processes: int) -> list[np.ndarray]:
        stream = batches.stream(start, 8, process, processes)
        found = [batch["pixels"] for batch in islice(stream, 3)]
        stream.close()
        return found

    expected = rows(0, 0, 1)[1:] + rows(3, 0, 1)[:1]
    parts = [rows(1, process, processes) for process in range(processes)]
    assert all((np.concatenate(part) == x).all() for part, x in zip(zip(*parts, strict=True), expected, strict=True))


def test_rounds_end_with_what_is_left(photos: Path) -> None:
    once = Batches(Encoded(photos), PixelBatch(), seed=None, rounds=1)
    found = [batch["pixels"] for batch in once.stream(0, 5)]
    assert [len(x) for x in found] == [5, 5, 2] and (np.concatenate(found) == whole(photos)).all()
    assert [len(batch["pixels"]) for batch in once.stream(1, 6, 1, 2)] == [3]
    with pytest.raises(ValueError, match="batch=5: must be a multiple of the 2 processes"):
        once.stream(0, 5, 0, 2)
    with pytest.raises(ValueError, match="rounds=0"):
        Batches(Encoded(photos), PixelBatch(), rounds=0)
    with pytest.raises(ValueError, match="there is nothing in it"):
        Batches([], PixelBatch())


def test_devices_get_batches_without_implicit_copies(photos: Path) -> None:
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])
    sharding = NamedSharding(mesh, jax.P("data"))
    mean = jax.jit(lambda batch: jax.tree.map(lambda x: x.astype(np.float32).mean(), batch))
    source = Batches(Encoded(photos), CoefficientBatch(size=32, place="random"))
    expected = [mean(batch) for batch in islice(source.stream(0, 8), 3)]
    with jax.transfer_guard("disallow"):
        placed = on_devices(source.stream(0, 8), sharding)
        batches = list(islice(placed, 3))
        found = [mean(batch) for batch in batches]
    assert batches[0]["coefficients"].planes[0].sharding == sharding
    assert all(np.allclose(x, y) for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    placed.close()
    single = list(on_devices([{"x": np.arange(3)}] * 4, SingleDeviceSharding(jax.devices()[1]), ahead=2))
    assert len(single) == 4 and all(x["x"].devices() == {jax.devices()[1]} for x in single)


@pytest.mark.slow
def test_fit_goes_on_with_the_batch_that_is_next(photos: Path, tmp_path: Path) -> None:
    from flax import nnx
    from jax import numpy as jnp

    starts = []

    class Watched(Batches):
        def stream(self, start: int, *where: int) -> Any:
            starts.append(start)
            return super().stream(start, *where)

    def loss(model: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        return jnp.mean((model(batch["pixels"].astype(jnp.float32) / 255) - 0.5) ** 2), {}

    data = Watched(Encoded(photos), PixelBatch(size=8, place="random"), seed=1)
    for steps in (2, 4):
        result = fit(
            nnx.Linear(3, 2, rngs=nnx.Rngs(0)), loss, data, config(steps=steps, batch=4, folder=tmp_path / "run")
        )
    assert starts == [0, 2] and result.step == 4
