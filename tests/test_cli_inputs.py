"""Inputs that are no pictures, each told in one line; globs whose outputs stay where -o says."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from command_line import Run, photo
from oracles import pillow

VERBS = ["encode", "decode", "transcode", "info"]
INPUTS = {
    "missing.jpg": "no such file or folder", "missing/x.jpg": "no such file or folder", "file.txt/x.jpg": "Not a directory",
    "empty.jpg": "", "garbage.jpg": "", "text.png": "", "zeros.jpg": "", "folder": "no image files in this folder",
    "loop": "Too many levels of symbolic links", "dangling": "no such file or folder", "n" * 300: "File name too long",
    "*.nothing": "no file matches", "[": "no file matches", "folder/*": "no file matches", "/dev/null": "a device, not a file",
    "/dev/zero": "a device, not a file", "stub.jpg": "", "soi.jpg": "", "half.png": "", "~": "no such file or folder",
}  # fmt: skip


@pytest.fixture
def odd(tmp_path: Path) -> set[str]:
    photo().save("half.png")
    contents = {
        "file.txt": b"text", "empty.jpg": b"", "garbage.jpg": bytes(range(256)) * 4, "text.png": b"not a picture",
        "zeros.jpg": bytes(5000), "stub.jpg": pillow(photo())[:40], "soi.jpg": b"\xff\xd8",
        "half.png": Path("half.png").read_bytes()[:500],
    }  # fmt: skip
    for name, content in contents.items():
        Path(name).write_bytes(content)
    os.mkdir("folder")
    os.symlink("loop", "loop")
    os.symlink("nowhere", "dangling")
    return set(os.listdir())


@pytest.mark.parametrize("word", INPUTS, ids=lambda word: word[:20])
def test_what_is_no_picture_is_one_line(run: Run, word: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    before = request.getfixturevalue("odd")
    for verb in VERBS:
        target = () if verb == "info" else ("-o", "out/")
        answer = run(verb, word, *target)
        assert answer.code == 1 and answer.out == b"" and answer.err.count("\n") == 1, (verb, answer)
        assert answer.err.startswith(f"jpegjax: {word}: ") and INPUTS[word] in answer.err
        assert len(answer.err) > len(f"jpegjax: {word}: \n") and "Traceback" not in answer.err
    assert run("encode", word, redirected=True).code == 1 and set(os.listdir()) == before


def test_folders_that_cannot_be_read_are_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.scandir

    def scandir(path):
        if os.path.basename(path) == "inner":
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    answer = run("encode", folder, "-r", "-o", "out")
    assert answer.code == 1 and f"{folder}/inner: Permission denied" in answer.err
    assert sorted(os.listdir("out")) == ["a.jpg", "b.jpg"]
    alone = run("encode", folder / "inner", "-o", "out")
    assert alone.code == 1 and alone.err == f"jpegjax: {folder}/inner: Permission denied\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("filled", [True, False])
def test_named_pipes_are_read_once(run: Run, verb: str, filled: bool) -> None:
    photo().save("x.png")
    data = (Path("x.png").read_bytes() if verb == "encode" else pillow(photo())) if filled else b""
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data), daemon=True)
    writer.start()
    answer = run(verb, "pipe", redirected=True)
    writer.join(60)
    if filled:
        assert answer.code == 0 and len(answer.out) > 50
    else:
        assert answer == (1, b"", "jpegjax: pipe: nothing came in\n")


PATTERNS = [
    "../*.png", "../../*.png", "*/../*.png", "*/../../*.png", "*/../../../*.png", "../home/*.png", "./../home/./*.png",
    "sub/../*.png", "sub/*/../*.png", "*/deep/../../*.png", "../*/*.png", "../*/../*.png", "**/../*.png", "sub/**/*.png",
    "../**/*.png", "*.png", "./*.png", "s*/*.png", "s*/./*.png", "../h*/sub/../*.png", "*/*/../../../*.png", "[s]ub/../*.png",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_globs_stay_under_their_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    home = tmp_path / "top" / "home"
    (home / "sub" / "deep").mkdir(parents=True)
    for i, place in enumerate((tmp_path, home.parent, home, home / "sub", home / "sub" / "deep")):
        photo(i, (16, 16)).save(place / f"p{i}.png")
    monkeypatch.chdir(home)
    before = {path for path in tmp_path.rglob("*") if path.suffix != ".jpg"}
    answer = run("encode", pattern, "-o", "out/results", "--quiet")
    made = set(tmp_path.rglob("*.jpg"))
    assert made and all(path.is_relative_to(home / "out" / "results") for path in made), answer.err
    after = {path for path in tmp_path.rglob("*") if path.suffix != ".jpg" and not path.is_relative_to(home / "out")}
    assert after == before
    found = {Path(os.path.realpath(path)).stem for path in home.glob(pattern)} if "**" not in pattern else set()
    assert found <= {path.stem for path in made} and answer.code == (0 if len(found) == len(made) else answer.code)
