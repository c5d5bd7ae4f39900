"""The command line as people use it: real runs, wrong input included. Oracle: Pillow's libjpeg-turbo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run, photo
from oracles import pillow

from jpegjax.cli.samples import photographs


def test_folder_to_files_identical_to_turbos(run: Run, folder: Path) -> None:
    answer = run("encode", folder, "-r", "-o", "out", "--psnr", "--verify")
    assert answer.code == 0 and answer.out == b""
    found = {str(p.relative_to("out")) for p in Path("out").rglob("*.*")}
    assert found == {"a.jpg", "b.jpg", "inner/a.jpg"}
    assert Path("out/inner/a.jpg").read_bytes() == pillow(photo(3))
    table = answer.err
    assert table.count(" identical") == 3
    assert "3 files" in table and "Mpixel/s" in table and "PSNR dB" in table and "50×35" in table


def test_without_recursion_inner_folders_stay_out(run: Run, folder: Path) -> None:
    assert run("encode", folder, "-o", "out").code == 0
    assert sorted(p.name for p in Path("out").rglob("*")) == ["a.jpg", "b.jpg"]


def test_beside_the_inputs_and_a_second_time(run: Run, folder: Path) -> None:
    assert run("encode", folder).code == 0
    before = (folder / "a.jpg").read_bytes()
    again = run("encode", folder, "-q", "10")
    assert again.code == 1 and "a.jpg exists; --overwrite replaces it" in again.err and "2 of 2 failed" in again.err
    assert (folder / "a.jpg").read_bytes() == before
    assert run("encode", folder, "-q", "10", "--overwrite").code == 0
    assert (folder / "a.jpg").read_bytes() == pillow(photo(1), quality=10)


def test_one_bad_file_does_not_stop_the_rest(run: Run, folder: Path) -> None:
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "fake.png").write_bytes(b"text")
    answer = run("encode", folder, "missing.png", "no*.png", "-o", "out")
    assert answer.code == 1 and "4 of 6 failed" in answer.err
    for text in (
        "broken.png: image file is truncated",
        "fake.png: not an image",
        "missing.png: no such file",
        "no*.png: no file",
    ):
        assert text in answer.err
    assert {p.name for p in Path("out").iterdir()} == {"a.jpg", "b.jpg"}
    Path("out/bad.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    Path("out/cut.jpg").write_bytes(Path("out/a.jpg").read_bytes()[:-60])
    decoded = run("decode", "out", "-o", "back")
    assert decoded.code == 1 and "bad.jpg" in decoded.err and "byte offset" in decoded.err
    assert {p.stem for p in Path("back").iterdir()} == {"a", "b", "cut"}
    assert "byte offset" in decoded.err, "the damaged file's warning belongs in the table"
    strict = run("decode", "out/cut.jpg", "-o", "strict.png", "--strict")
    assert strict.code == 1 and not Path("strict.png").exists()


def test_outputs_never_collide(run: Run, folder: Path) -> None:
    photo(9).save(folder / "a.tiff")
    clash = run("encode", folder, "-o", "clash")
    assert clash.code == 1 and "a.png would become clash/a.jpg too" in clash.err and "a.tiff would become" in clash.err
    assert "a.jpg" not in {p.name for p in Path("clash").iterdir()} and Path("clash/b.jpg").is_file()
    two = run("encode", folder / "a.png", folder / "inner" / "a.png", "-o", "two")
    assert two.code == 1 and two.err.count("would become two/a.jpg too") == 2
    kept = run("encode", f"{folder}/**/a.png", "-o", "out")
    assert kept.code == 0 and Path("out/inner/a.jpg").is_file() and Path("out/a.jpg").is_file()
    Path("x.jpg").write_bytes(pillow(photo()))
    itself = run("encode", "x.jpg", "--overwrite")
    assert itself.code == 1 and "would replace the input" in itself.err
    assert Path("x.jpg").read_bytes() == pillow(photo())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["encode", "x.png", "-q", "0"], "quality=0: must be 1..100"),
        (["encode", "x.png", "-q", "high"], "--quality"),
        (["encode", "x.png", "--sample", "9"], "subsampling='9': must be one of 4:4:4"),
        (["encode", "x.png", "--restart", "some"], "--restart some: must be N"),
        (["encode", "x.png", "--engine", "gpu"], "--engine='gpu': must be one of 'auto'"),
        (["encode", "x.png", "--engine", "host", "--device", "cpu"], "the host engine has no devices"),
        (["encode", "x.png", "--device", "abacus"], "--device abacus: no such device"),
        (["encode", "x.png", "--background", "nocolour"], "--background 'nocolour': must be a colour"),
        (["encode", "x.png", "--qtables", "none"], "--qtables none: No such file"),
        (["encode", "x.png", "--qtables", "x.png"], "must hold 1 to 4 tables"),
        (["encode", "x.png", "--qtables", "x.png", "-q", "3"], "give one of them"),
        (["encode", "-", "x.png"], "must be the only input"),
        (["encode", "x.png", "y.png", "-o", "x.png"], "is a file"),
        (["encode", "x.png", "--lossless", "--progressive"], "progressive: lossless files have none"),
        (["encode", "x.png", "--predictor", "4"], "predictor=4: only lossless"),
        (["decode", "x.png", "--mode", "HSV"], "mode='HSV': must be one of"),
        (["decode", "x.png", "-f", "gif"], "--format='gif'"),
        (["decode", "x.png", "--upsample", "best"], "upsample='best'"),
        (["decode", "x.png", "--reconstruction", "best"], "reconstruction='best'"),
        (["decode", "x.png", "--dtype", "half"], "dtype='half'"),
        (["decode", "x.png", "--restore=best"], "--restore=best: must be auto or consistent, or stand alone"),
        (["decode", "x.png", "--restore", "--scale", "1/2"], "restore=True: is for the full size"),
        (["demo", "--engine", "none"], "--engine='none'"),
        (["squeeze"], "No such command"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_clear_line_and_exit_2(run: Run, arguments: list[str], complaint: str) -> None:
    photo().save("x.png")
    photo().save("y.png")
    answer = run(*arguments)
    assert answer.code == 2 and complaint in answer.err and "Traceback" not in answer.err
    assert not list(Path().glob("*.jpg"))


def test_limits(run: Run) -> None:
    photo().save("x.png")
    assert "50×35 pixels are more than --limit-pixels 1000" in run("encode", "x.png", "--limit-pixels", "1000").err
    Path("x.jpg").write_bytes(pillow(photo()))
    stopped = run("decode", "x.jpg", "-o", "y.png", "--limit-pixels", "1000")
    assert stopped.code == 1 and "1750 pixels" in stopped.err and "--limit-pixels" in stopped.err
    assert run("decode", "x.jpg", "-o", "y.png", "--limit-pixels", "0", "--limit-memory", "0").code == 0


def test_samplings_that_pillow_cannot_write_are_checked_by_their_pixels(run: Run) -> None:
    photo().save("x.png")
    for sampling in ("4:4:0", "4:1:1"):
        answer = run("encode", "x.png", "--sample", sampling, "--verify", "--overwrite")
        assert answer.code == 0 and "same pixels" in answer.err


def test_jobs_confines_and_lets_go(run: Run, folder: Path) -> None:
    before = os.sched_getaffinity(0)
    assert run("encode", folder, "-r", "-o", "out", "--jobs", "1").code == 0
    assert os.sched_getaffinity(0) == before
    assert Path("out/a.jpg").read_bytes() == pillow(photo(1))
    assert run("encode", folder, "-j", "0").code == 2


def test_info(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(photo(), quality=83, subsampling=1))
    text = run("info", "x.jpg").out.decode()
    assert "50×35" in text and "4:2:2" in text and "quality 83" in text
    Path("bad.jpg").write_bytes(b"GIF89a")
    answer = run("info", "--json", "x.jpg", "bad.jpg")
    assert answer.code == 1 and "bad.jpg: no JPEG stream" in answer.err
    (line,) = answer.out.decode().splitlines()
    found = json.loads(line)
    assert (found["file"], found["width"], found["quality"], found["subsampling"]) == ("x.jpg", 50, 83, "4:2:2")
    assert "1 scan: components 1 2 3" in text and "entropy-coded" in text
    assert len(found["scans"]) == 1 and sum(found["sizes"].values()) == Path("x.jpg").stat().st_size


def test_odd_names_and_odd_targets(run: Run) -> None:
    photo().save("odd\n\x1b[31m[bold].png")
    answer = run("encode", "odd\n\x1b[31m[bold].png", "--psnr")
    assert answer.code == 0 and "\x1b" not in answer.err and "[bold].png" in answer.err
    assert run("encode", "odd\n\x1b[31m[bold].png", "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()


def test_batches_are_bounded_and_keep_the_order(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jpegjax.cli.work import flow
    from jpegjax.jpeg import codec

    sizes: list[int] = []
    coded = codec.encode
    monkeypatch.setattr(flow, "_BATCH_PIXELS", 3 * 50 * 35)
    monkeypatch.setattr(codec, "encode", lambda batch, *rest: sizes.append(len(batch)) or coded(batch, *rest))
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(8):
        photo(i).save(photos / f"{i}.png")
    out = run("encode", photos, "-o", "out").err
    assert sizes == [3, 3, 2]
    assert [line.split()[0] for line in out.splitlines() if "50×35" in line] == [f"{i}.png" for i in range(8)]


def test_demo_checks_real_photographs(run: Run) -> None:
    if not photographs():
        pytest.skip("scikit-image is not installed")
    answer = run("demo", "--engine", "host", "-o", "kept")
    assert answer.code == 0, answer.err
    n = len(photographs())
    assert f"host: {n} of {n} files and their pixels identical to libjpeg-turbo" in answer.out.decode()
    assert len(list(Path("kept").iterdir())) == n
    assert run("demo", "nowhere").code == 1


def test_demo_reports_a_difference(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jpegjax.jpeg import codec

    coded = codec.encode
    monkeypatch.setattr(codec, "encode", lambda batch, *rest: [d[:-2] + b"\0\xff\xd9" for d in coded(batch, *rest)])
    answer = run("demo", folder, "--engine", "host")
    assert answer.code == 1 and "differs from libjpeg-turbo: bytes differ from offset" in answer.err


def test_version_and_module_entry() -> None:
    code = "import sys; from jpegjax.cli import main; sys.argv = ['jpegjax', '--version']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.startswith("jpegjax 0.")
