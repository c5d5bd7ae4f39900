"""Bulk jobs: what is made is what the verbs make, once each, whatever fails or is killed on the way."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bulk_works import Deadly, Slow
from command_line import Run, opened, photo
from mutations import mutant, seeds

import jpegjax
from jpegjax.bulk.job import Job, run, unique
from jpegjax.bulk.manifest import Manifest, canonical, difference
from jpegjax.bulk.places.entries import key_of, safe
from jpegjax.bulk.places.sources import expanded, source
from jpegjax.bulk.places.storage import STATE, MissingPackage, place
from jpegjax.bulk.rehearsal import rehearse
from jpegjax.bulk.work import ahead
from jpegjax.bulk.works import CoefficientWork, TranscodeWork, unpacked
from jpegjax.container.markers import claimed_size
from jpegjax.options import DecodeOptions, EncodeOptions, Limits, TranscodeOptions
from jpegjax.run.threads import cores, spare_cores, undivided

PROGRESSIVE = TranscodeWork(TranscodeOptions(progressive=True))


def made(folder: Path) -> dict[str, bytes]:
    """What a job has put into its target."""
    names = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {n.as_posix(): (folder / n).read_bytes() for n in names if n.parts[0] != STATE}


def bad(folder: Path) -> dict[str, str]:
    lines = (folder / STATE / "bad.jsonl").read_text().splitlines()
    return {row["name"]: row["reason"] for row in map(json.loads, lines)}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Twelve JPEG files of a folder, three of them broken; one is no picture."""
    found = {f"{'abc'[i % 3]}/{i:02}.jpg": seeds()[i] for i in (0, 2, 3, 4, 11, 12, 13, 14, 15)}
    found |= {"a/cut.jpg": seeds()[2][:200], "a/empty.jpg": b"", "text.jpg": b"no picture"}
    for name, content in found.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / "note.md").write_text("not looked at")
    return found


def wanted(files: dict[str, bytes]) -> tuple[dict[str, bytes], set[str]]:
    """What `jpegjax.transcode` makes of each, and the names of those that it refuses."""
    results = jpegjax.transcode(list(files.values()), progressive=True, errors="return")
    good = {n: r for n, r in zip(files, results, strict=True) if isinstance(r, bytes)}
    return good, set(files) - set(good)


def pack(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_those_of_the_library(tmp_path: Path, files: dict[str, bytes], workers: int) -> None:
    good, refused = wanted(files)
    job = Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out"), shard_size=5)
    summary = run(job, workers=workers)
    assert made(tmp_path / "out") == good and len(refused) == 3
    assert set(bad(tmp_path / "out")) == refused and bad(tmp_path / "out")["a/empty.jpg"]
    assert (summary.pictures, summary.written, summary.shards_done, summary.shards) == (12, 9, 3, 3)
    assert summary.nbytes == sum(len(files[n]) for n in good) and summary.written_nbytes == sum(map(len, good.values()))
    found = json.loads((tmp_path / "out" / STATE / "summary.json").read_text())
    assert found["pictures"] == 12 and found["bad"] == 3 and sum(found["saved_histogram"]["pictures"]) == 9
    page = (tmp_path / "out" / STATE / "summary.html").read_text()
    assert "text.jpg" in page and "<svg" in page and "http" not in page


def test_again_changes_nothing(tmp_path: Path, files: dict[str, bytes]) -> None:
    job = Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out"), shard_size=5)
    run(job, workers=0)

    def state() -> dict[str, tuple[int, int]]:
        found = (p for p in (tmp_path / "out").rglob("*") if p.is_file())
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in found}

    before = state()
    (tmp_path / "in" / "later.jpg").write_bytes(seeds()[0])  # the manifest was cut before
    run(job, workers=0)
    assert state() == before


def test_other_options_are_refused_by_name(tmp_path: Path, files: dict[str, bytes]) -> None:
    run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out")), workers=0)
    other = Job(TranscodeWork(TranscodeOptions(optimize=False)), str(tmp_path / "in"), str(tmp_path / "out"))
    for call in (run, rehearse):
        with pytest.raises(ValueError, match=r"other options .work.options.optimize: true, now false"):
            call(other)
    with pytest.raises(ValueError, match="shard_size: 1000, now 7"):
        run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out"), shard_size=7))
    (tmp_path / "out" / STATE / "shards.jsonl").write_text("[]")
    with pytest.raises(ValueError, match=r"damaged .shards"):
        run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out")))


def test_a_target_is_one_jobs_at_a_time(tmp_path: Path, files: dict[str, bytes]) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "out" / STATE).mkdir(parents=True)
    with open(tmp_path / "out" / STATE / "lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another job is at work"):
            run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out")))


def test_wrong_jobs_say_what_is_wrong(tmp_path: Path, files: dict[str, bytes]) -> None:
    here, there = str(tmp_path / "in"), str(tmp_path / "out")
    with pytest.raises(ValueError, match="is the source"):
        Job(PROGRESSIVE, here, f"{here}/.")
    with pytest.raises(ValueError, match="shard_size=0"):
        Job(PROGRESSIVE, here, there, shard_size=0)
    with pytest.raises(ValueError, match="to='zip'"):
        Job(PROGRESSIVE, here, there, to="zip")
    with pytest.raises(ValueError, match="from='zip'"):
        run(Job(PROGRESSIVE, here, there, kind="zip"))
    with pytest.raises(ValueError, match="runner='slurm'"):
        run(Job(PROGRESSIVE, here, there), runner="slurm")
    with pytest.raises(OSError, match="nowhere"):
        run(Job(PROGRESSIVE, str(tmp_path / "nowhere"), there))
    with pytest.raises(FileNotFoundError, match="no pictures"):
        run(Job(Slow(), here, there))
    assert not made(tmp_path / "out")


def test_a_target_inside_the_source_is_not_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    job = Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "in" / "out"))
    run(job, workers=0)
    (tmp_path / "in" / "out" / STATE / "manifest.json").unlink()
    assert run(job, workers=0).pictures == 12


def test_globs_lists_and_braces(tmp_path: Path, files: dict[str, bytes]) -> None:
    good, _ = wanted(files)
    run(Job(PROGRESSIVE, str(tmp_path / "in" / "[ab]" / "*.jpg"), str(tmp_path / "globbed")), workers=0)
    assert made(tmp_path / "globbed") == {n: c for n, c in good.items() if n[0] in "ab"}
    (tmp_path / "list.txt").write_text(
        f"# a comment\nin/a/00.jpg\n{tmp_path}/in/c/02.jpg\nin/gone.jpg\n../{tmp_path.name}/in/a/03.jpg\n"
    )
    run(Job(PROGRESSIVE, str(tmp_path / "list.txt"), str(tmp_path / "listed")), workers=0)
    names = {"in/a/00.jpg", f"{str(tmp_path)[1:]}/in/c/02.jpg", f"{tmp_path.name}/in/a/03.jpg"}
    assert set(made(tmp_path / "listed")) == names and set(bad(tmp_path / "listed")) == {"in/gone.jpg"}
    assert expanded("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]


def test_names_stay_apart_and_in_their_folder() -> None:
    taken: set[str] = set()
    found = [unique(name, ".jpg", taken) for name in ("a/b.png", "a/b.gif", "a/b.gif.jpg", "a/b.x.gif")]
    assert found == ["a/b.jpg", "a/b.gif.jpg", "a/b.gif.jpg.jpg", "a/b.x.jpg"] and len(taken) == 4
    assert [unique("b.jpg", None, taken) for _ in range(2)] == ["b.jpg", "b~2.jpg"]
    for name, stays in (
        ("../../x", "x"),
        ("/etc/x", "etc/x"),
        ("a/./b", "a/b"),
        (f"{STATE}/lock", "jpegjax/lock"),
        ("..", "unnamed"),
    ):
        assert safe(name) == stays
    assert key_of("a.b/c.d.e") == "a.b/c"


def test_two_pictures_of_one_name_get_two(run: Run, tmp_path: Path) -> None:
    Path("in").mkdir()
    photo(1).save("in/a.png")
    photo(2).save("in/a.bmp")
    assert run("bulk", "encode", "in", "-o", "out", "--workers", 0).code == 0
    assert sorted(made(Path("out"))) == ["a.jpg", "a.png.jpg"]


def test_tars_to_tars_keep_what_stands_beside(tmp_path: Path) -> None:
    """WebDataset: samples stay whole; one whose picture fails is left out, one without a picture stays."""
    picture = seeds()[2]
    first = {
        "x/0.jpg": picture,
        "x/0.json": b"{}",
        "x/1.jpg": b"no",
        "x/1.json": b"{1}",
        "x/2.json": b"{2}",
        "x/3.cls": b"3",
        "x/3.jpg": picture,
    }
    pack(tmp_path / "in" / "s-000.tar", first)
    pack(tmp_path / "in" / "s-001.tar", {"y/4.jpg": picture, "y/../../../evil.jpg": picture})
    done = run(Job(PROGRESSIVE, str(tmp_path / "in" / "s-{000..001}.tar"), str(tmp_path / "out")), workers=0)
    (better,) = jpegjax.transcode([picture], progressive=True)
    assert set(made(tmp_path / "out")) == {"s-000.tar", "s-001.tar"} and done.pictures == 5
    left = {n: better if n.endswith(".jpg") else c for n, c in first.items() if not n.startswith("x/1")}
    assert members(tmp_path / "out" / "s-000.tar") == left
    assert set(members(tmp_path / "out" / "s-001.tar")) == {"y/4.jpg", "y/evil.jpg"}
    assert list(bad(tmp_path / "out")) == ["s-000.tar: x/1.jpg"]
    run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "files"), to="files"), workers=0)
    assert made(tmp_path / "files")["s-000/x/0.jpg"] == better and made(tmp_path / "files")["s-000/x/0.json"] == b"{}"
    assert "s-001/y/evil.jpg" in made(tmp_path / "files") and not (tmp_path / "evil.jpg").exists()


def test_tars_and_parquet_are_the_same_bytes_each_time(tmp_path: Path, files: dict[str, bytes]) -> None:
    kinds = ["tar"] + (["parquet"] if place_has("pyarrow") else [])
    for kind in kinds:
        for name in "ab":
            run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / kind / name), to=kind, shard_size=5), workers=0)
        assert len(made(tmp_path / kind / "a")) == 3 and made(tmp_path / kind / "a") == made(tmp_path / kind / "b")
    good, _ = wanted(files)
    found: dict[str, bytes] = {}
    for path in (tmp_path / "tar" / "a").glob("*.tar"):
        found |= members(path)
    assert found == good


def place_has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


@pytest.mark.parametrize("damage", ["cut", "text", "zeros"])
def test_damaged_tars_give_what_can_be_read(tmp_path: Path, damage: str) -> None:
    path = pack(tmp_path / "in.tar", {f"{i}.jpg": seeds()[2] for i in range(4)})
    content = path.read_bytes()
    path.write_bytes({"cut": content[:2500], "text": b"text" * 300, "zeros": b""}[damage])
    summary = run(Job(PROGRESSIVE, str(path), str(tmp_path / "out")), workers=0)
    assert summary.written == (1 if damage == "cut" else 0) and len(summary.bad) == 1
    assert "damaged or unreadable tar" in summary.bad[0][1]


@pytest.mark.parametrize("struct", [True, False])
def test_parquet_to_parquet_keeps_rows_and_columns(tmp_path: Path, struct: bool) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pictures = [seeds()[2], b"broken", None, seeds()[3], seeds()[4]]
    images = [{"bytes": p, "path": f"{i}.jpg"} for i, p in enumerate(pictures)] if struct else pictures
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]) if struct else arrow.binary()
    table = arrow.table({"label": [5, 6, 7, 8, 9], "image": arrow.array(images, kind)})
    (tmp_path / "in").mkdir()
    parquet.write_table(table, tmp_path / "in" / "part.parquet", row_group_size=2)
    summary = run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out"), shard_size=2), workers=0)
    assert (summary.pictures, summary.shards, len(summary.bad)) == (5, 3, 2)
    found = arrow.concat_tables([parquet.read_table(p) for p in sorted((tmp_path / "out").glob("*.parquet"))])
    assert found.schema.equals(table.schema) and found.column("label").to_pylist() == [5, 6, 7, 8, 9]
    good = jpegjax.transcode([seeds()[i] for i in (2, 3, 4)], progressive=True)
    contents = [row and (row["bytes"] if struct else row) for row in found.column("image").to_pylist()]
    assert contents == [good[0], None, None, good[1], good[2]]
    run(Job(PROGRESSIVE, str(tmp_path / "in" / "part.parquet"), str(tmp_path / "files"), to="files"), workers=0)
    assert len(made(tmp_path / "files")) == 3
    with pytest.raises(ValueError, match="column='label': columns that hold bytes are image"):
        run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "x"), column="label"), workers=0)


def test_stores_in_memory(tmp_path: Path, files: dict[str, bytes]) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    files = {name.replace("12", "[1]*?"): content for name, content in files.items()}  # a name, not a pattern
    good, refused = wanted(files)
    for name, content in files.items():
        store.pipe_file(f"/bulk-in/{name}", content)
    job = Job(PROGRESSIVE, "memory://bulk-in", "memory://bulk-out", shard_size=5)
    assert rehearse(job, 4).pictures == 12 and not store.exists("/bulk-out")
    assert run(job).written == 9
    found = {p.removeprefix("/bulk-out/"): store.cat_file(p) for p in store.find("/bulk-out")}
    assert {n: c for n, c in found.items() if not n.startswith(STATE)} == good
    lines = found[f"{STATE}/bad.jsonl"].splitlines()
    assert {json.loads(line)["name"] for line in lines} == refused
    before = store.info(f"/bulk-out/{STATE}/summary.json")
    assert run(job).written == 9 and store.info(f"/bulk-out/{STATE}/summary.json") == before
    run(Job(PROGRESSIVE, "memory://bulk-in", str(tmp_path / "tars"), to="tar"))
    assert members(tmp_path / "tars" / "000000.tar") == good
    store.rm("/bulk-in", recursive=True)
    store.rm("/bulk-out", recursive=True)


def test_missing_packages_are_named_with_their_pip_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("fsspec", "fsspec.core", "pyarrow", "ray"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=r"s3://b/x: needs fsspec.*pip install 'jpegjax\[cluster\]'"):
        place("s3://b/x")
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(MissingPackage, match=r"Parquet: needs pyarrow.*pip install"):
        source(str(tmp_path / "a.parquet"), "auto", frozenset())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(b"x")
    with pytest.raises(MissingPackage, match="runner='ray': needs ray"):
        run(Job(Slow(), str(tmp_path / "in"), str(tmp_path / "out")), runner="ray")


def numbered(folder: Path, count: int) -> dict[str, bytes]:
    folder.mkdir()
    found = {f"{i:03}.bin": f"{'bad' if i % 17 == 5 else 'good'} {i} {'x' * (i % 50)}".encode() for i in range(count)}
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return found


def test_a_picture_that_kills_is_bad_and_no_other(tmp_path: Path) -> None:
    """Two that kill whenever they are touched, one that does so once; each child's death is found out for itself."""
    found = numbered(tmp_path / "in", 40)
    for number, word in ((3, b"kill"), (22, b"kill"), (31, b"once")):
        found[f"{number:03}.bin"] = word
        (tmp_path / "in" / f"{number:03}.bin").write_bytes(word)
    (tmp_path / "marks").mkdir()
    job = Job(Deadly(marks=str(tmp_path / "marks")), str(tmp_path / "in"), str(tmp_path / "out"), shard_size=20)
    summary = run(job, workers=1)
    failed = bad(tmp_path / "out")
    assert {n for n, why in failed.items() if "signal 9" in why} == {"003.bin", "022.bin"}
    assert set(failed) == {"003.bin", "022.bin", "005.bin", "039.bin"} and not summary.failed
    assert made(tmp_path / "out") == {n: c[::-1] for n, c in found.items() if n not in failed}


def test_jobs_that_are_killed_go_on(tmp_path: Path) -> None:
    """kill -9 at moments by chance; what is there in the end is what an uninterrupted run makes, and nothing else."""
    found = numbered(tmp_path / "in", 60)
    code = f"""
import sys
from bulk_works import Slow
from jpegjax.bulk.job import Job, run
run(Job(Slow(0.005), {str(tmp_path / "in")!r}, sys.argv[1], shard_size=4), workers=int(sys.argv[2]))
"""
    paths = [str(Path(jpegjax.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    draw, kills, target = random.Random(5), 0, tmp_path / "out"
    command = [sys.executable, "-c", code, str(target), "2"]
    for _ in range(4):
        child = subprocess.Popen(command, env=environment)
        until = time.monotonic() + 60
        before = len(list(target.rglob("0*.json")))
        while child.poll() is None and len(list(target.rglob("0*.json"))) <= before and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(draw.random() * 0.03)
        kills += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert kills >= 2
    done = subprocess.run(command, env=environment, timeout=300)
    assert done.returncode == 0
    assert made(target) == {n: c[::-1] for n, c in found.items() if not c.startswith(b"bad")}
    assert sorted(bad(target)) == sorted(n for n, c in found.items() if c.startswith(b"bad"))
    assert not (target / STATE / "staging").exists()


def test_sizes_at_a_glance_are_the_frames() -> None:
    for data in seeds():
        found = jpegjax.info(data)
        assert claimed_size(data) == claimed_size(memoryview(data)) == (found.height, found.width)
    for data in (b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xc0", seeds()[0][:90], b"\xff\xd8" + b"\xff\xe0\0\0" * 400):
        assert claimed_size(data) == (0, 0)
    for seed in range(300):
        claimed_size(mutant(seed))


def test_a_shard_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    found = numbered(tmp_path / "in", 9)
    (tmp_path / "out" / "004.bin" / "folder").mkdir(parents=True)
    job = Job(Slow(), str(tmp_path / "in"), str(tmp_path / "out"), shard_size=3)
    for workers in (0, 1):
        summary = run(job, workers=workers)
        assert [name for name, _ in summary.failed] == ["000001"] and "004.bin" in summary.failed[0][1]
        assert (summary.shards_done, summary.shards) == (2, 3)
    (tmp_path / "out" / "004.bin" / "folder").rmdir()
    (tmp_path / "out" / "004.bin").rmdir()
    assert not run(job, workers=0).failed
    assert made(tmp_path / "out") == {n: c[::-1] for n, c in found.items() if not c.startswith(b"bad")}


def test_pictures_are_read_ahead_within_bounds() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for i in range(50):
            taken.append(i)
            yield i
        raise OSError("the end")

    items = ahead(source(), 5, lambda item: 1.0)
    assert next(items) == 0
    time.sleep(0.1)
    assert len(taken) <= 8
    with pytest.raises(OSError, match="the end"):
        deque(items, maxlen=0)
    assert len(taken) == 50
    items = ahead(source(), 5, lambda item: 1.0)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]


def test_undivided_work_stays_on_one_thread() -> None:
    with undivided():
        assert spare_cores() == 1
        with undivided():
            assert spare_cores() == 1
        assert spare_cores() == 1
    assert spare_cores() == cores()


def test_mutants_end_in_files_or_reasons(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(150):
        (tmp_path / "in" / f"{seed:03}.jpg").write_bytes(mutant(seed))
    for work in (PROGRESSIVE, CoefficientWork(DecodeOptions())):
        target = tmp_path / work.verb
        summary = run(Job(work, str(tmp_path / "in"), str(target), shard_size=64), workers=0)
        assert summary.pictures == 150 and summary.written + len(summary.bad) == 150 and not summary.failed
        assert len(made(target)) == summary.written and all(why for _, why in summary.bad)


def test_coefficients_are_the_files(tmp_path: Path, files: dict[str, bytes]) -> None:
    run(Job(CoefficientWork(DecodeOptions()), str(tmp_path / "in"), str(tmp_path / "out")), workers=0)
    found = made(tmp_path / "out")
    assert len(found) == 9
    for name, content in found.items():
        whole = jpegjax.read_coefficients(files[name.replace(".npz", ".jpg")])
        planes, tables, frame = unpacked(content)
        assert all(np.array_equal(a, b[0]) for a, b in zip(planes, whole.planes, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(tables, whole.qtables, strict=True))
        assert (frame["height"], frame["width"]) == (whole.frame.height, whole.frame.width)
    with pytest.raises(ValueError, match="not coefficients"):
        unpacked(b"PK\3\4")


def test_a_sample_tells_what_all_will_save(tmp_path: Path, files: dict[str, bytes]) -> None:
    job = Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out"), shard_size=5)
    found = rehearse(job, 12)
    assert not (tmp_path / "out").exists() and (found.sampled, found.pictures, found.shards) == (12, 12, 3)
    summary = run(job, workers=0)
    assert found.saved_percent is not None
    estimate, low, high = found.saved_percent
    assert estimate == pytest.approx(summary.saved_percent) and low < estimate < high and len(found.bad) == 3
    assert rehearse(job, 3).done == 3 and rehearse(job, 3).sampled == 3


def test_options_are_told_apart_by_what_they_mean() -> None:
    assert canonical(EncodeOptions(quality=80)) == canonical(EncodeOptions(quality=80, subsampling=None))
    old, new = canonical(EncodeOptions(qtables=[[9] * 64])), canonical(EncodeOptions(qtables=[[9] * 63 + [8]]))
    assert "qtables" in (difference(old, new) or "") and difference(old, old) is None
    assert json.loads(json.dumps(canonical(Limits()))) == canonical(Limits())


def test_verbs_make_the_same_files_by_the_thousand(run: Run, tmp_path: Path) -> None:
    Path("in/b").mkdir(parents=True)
    for i in range(3):
        photo(i).save(f"in/{i}.png")
    photo(7).convert("L").save("in/b/7.tif")
    Path("in/b/bad.png").write_bytes(b"\x89PNG")
    for flags in (("-q", 60, "-sample", "1x1"), ("--tune", "all", "--psnr"), ("--codec", "dft")):
        assert run("encode", "in", "-r", "-o", f"one{flags[1]}", *flags).code == 1
        answer = run("bulk", "encode", "in", "-o", f"all{flags[1]}", *flags, "--workers", 0)
        assert answer.code == 1 and "1 failed, such as b/bad.png: not an image" in answer.err
        assert made(Path(f"all{flags[1]}")) == made(Path(f"one{flags[1]}")) and len(made(Path(f"all{flags[1]}"))) == 4
    assert "mean psnr_db" in run("bulk", "encode", "in", "-o", "alldone", "--psnr", "--workers", 0).err
    assert run("decode", "one60", "-r", "-o", "back", "-f", "ppm").code == 0
    assert run("bulk", "decode", "one60", "-o", "backs", "--format", "ppm", "--workers", 0).code == 0
    assert made(Path("backs")) == made(Path("back")) and len(made(Path("back"))) == 4
    answer = run(
        "bulk",
        "measure",
        "in",
        "-o",
        "numbers",
        "--codec",
        "jpeg",
        "--set",
        "quality=60",
        "--metrics",
        "psnr",
        "--json",
        "--workers",
        0,
    )
    rows = {name: json.loads(content) for name, content in made(Path("numbers")).items()}
    means = json.loads(answer.out)["means"]
    assert len(rows) == 4 and means["psnr"] == pytest.approx(np.mean([r["psnr"] for r in rows.values()]), abs=1e-4)
    assert rows["1.json"]["nbytes"] == len(jpegjax.encode(np.asarray(opened("in/1.png")), quality=60))
    assert json.loads(answer.out)["saved_percent"] is None


def test_flags_that_cannot_be_say_so(run: Run) -> None:
    Path("in").mkdir()
    photo(1).save("in/a.png")
    for words, said in (
        (("encode", "in", "-o", "in"), "is the source"),
        (("encode", "in", "-o", "out", "--quality", "0"), "quality"),
        (("encode", "in", "-o", "out", "--from", "zip"), "from='zip'"),
        (("encode", "nowhere", "-o", "out"), "nowhere"),
        (("measure", "in", "-o", "out", "--set", "qualty=3"), "--set qualty=3"),
        (("measure", "in", "-o", "out", "--metrics", "beauty"), "--metrics beauty"),
        (("measure", "in", "-o", "out", "--codec", "gif"), "codec='gif'"),
        (("decode", "in", "-o", "out", "--format", "gif"), "format"),
        (("transcode", "in", "-o", "out", "-sharp"), "no such flag"),
    ):
        answer = run("bulk", *words)
        assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1, (words, answer.err)
    assert not Path("out").exists() or not made(Path("out"))


def test_dry_runs_write_nothing(run: Run) -> None:
    Path("in").mkdir()
    for i in range(5):
        photo(i).save(f"in/{i}.png")
    answer = run("bulk", "encode", "in", "-o", "out", "--dry-run", "--sample", 3, "--json")
    found = json.loads(answer.out)
    assert answer.code == 0 and not Path("out").exists()
    assert (
        found["sampled"] == 3
        and found["pictures"] == 5
        and found["saved_percent"]["low"] <= found["saved_percent"]["high"]
    )
    assert "5 pictures" in answer.err and "saves" in answer.err and "on one core" in answer.err
    assert run("bulk", "encode", "in", "-o", "out", "--workers", 0).code == 0
    assert "of which 1 are done" in run("bulk", "encode", "in", "-o", "out", "--dry-run").err


def test_manifests_are_whole_or_not_there(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A job that died while its shards were cut begins anew."""
    (tmp_path / "out" / STATE).mkdir(parents=True)
    (tmp_path / "out" / STATE / "shards.jsonl").write_text("half")
    assert Manifest.read(place(str(tmp_path / "out"))) is None
    assert run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "out")), workers=0).written == 9
