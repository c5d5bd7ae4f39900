"""Scan scripts: files of cjpeg -scans and jpegtran -scans to the byte, and what libjpeg refuses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cjpeg, jpegtran, program
from pictures import picture
from PIL import Image
from scripts import random_frame, random_planes, random_script
from streams import scans as scans_of

import jpegjax
from jpegjax import Coefficients
from jpegjax.options.scans import parse_script
from jpegjax.types import Scan

EXAMPLE = """# as libjpeg's wizard.txt has them
0 1 2: 0-0, 0, 1;   # DC, all but the last bit
0: 1-5, 0, 2 ;
2: 1-63,
   0, 1;1: 1-63, 0, 1;
0: 6-63, 0, 2; 0: 1-63, 2, 1; 0,1,2: 0-0 1 0;
2: 1-63, 1, 0; 1: 1-63, 1, 0;
0: 1 63 1 0"""
SEQUENTIAL = {
    "apart": "0; 1; 2;",
    "turned": "2;1;0",
    "chroma together": "0;\n1 2;",
    "ends together": "0,2; 1;",
    "together": "0 1 2;",
}
PROGRESSIVE = {
    "example": EXAMPLE,
    "apart": "2: 0 0 0 0; 1: 0 0 0 2; 0: 0-0, 0, 1; 1: 0 0 2 1; 0 1: 0 0 1 0;"
    + "".join(f"{c}: 1-63 0 0;" for c in range(3)),
    "DC alone": "0 1: 0-0, 0, 3; 2: 0-0, 0, 3; 0 1 2: 0-0, 3, 2;",
    "narrow": "0 1 2: 0 0 0 0; 1: 2 2 0 5; 1: 2-2, 5, 4; 1: 1 1 0 0; 0: 63-63 0 0; 0: 1-62, 0, 10; 0: 1-62 10 9;",
    "only refined": "0 1 2: 0 0 0 10; 0 2: 0 0 10 9; 0: 1 63 0 1; 0: 1-30 1 0; 2: 1-63, 0, 3; 2: 20-40, 3, 2;",
}
GREY = {"whole": "0;", "progressive": "0: 0-0, 0, 1; 0: 1-9, 0, 2; 0: 10-63, 0, 0; 0: 0-0, 1, 0; 0: 1-9, 2, 1;"}
SAMPLINGS = ["1x1,1x1,1x1", "2x1,1x1,1x1", "2x2,1x1,1x1", "1x2,1x1,1x1", "4x1,1x1,1x1", "1x1,2x2,1x1", "2x2,2x1,1x2"]
SIZES = [(64, 64), (67, 45), (5, 3), (1, 130)]
CODINGS = [
    ({}, []),
    ({"optimize": True}, ["-optimize"]),
    ({"arithmetic": True}, ["-arithmetic"]),
    ({"restart_rows": 1}, ["-restart", "1"]),
    ({"restart_blocks": 3, "optimize": True}, ["-restart", "3B", "-optimize"]),
    ({"arithmetic": True, "restart_blocks": 2}, ["-arithmetic", "-restart", "2B"]),
]


def scripted(tool: Callable, source: np.ndarray | bytes, script: str, *switches: str) -> bytes | None:
    """A file of `cjpeg` or `jpegtran` by a script, None where it refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".scans") as file:
        file.write(script)
        file.flush()
        return tool(source, "-scans", file.name, *switches)


def differing(function, cases: list) -> list:
    """The cases of which `function` says that they differ; two at a time, as most of it is other processes."""
    with ThreadPoolExecutor(4) as pool:
        return [
            case for case, differs in zip(cases, pool.map(lambda case: function(*case), cases), strict=True) if differs
        ]


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("scripts", [SEQUENTIAL, PROGRESSIVE], ids=["sequential", "progressive"])
def test_files_are_cjpegs(scripts: dict[str, str]) -> None:

    def differs(name: str, sampling: str, size: tuple[int, int], coding: int) -> bool:
        image, (options, switches) = picture(size[1], size[0]), CODINGS[coding]
        theirs = scripted(cjpeg, image, scripts[name], "-sample", sampling, "-quality", "83", *switches)
        assert theirs
        return theirs != jpegjax.encode(image, quality=83, subsampling=sampling, scans=scripts[name], **options)

    cases = [
        (name, sampling, SIZES[(i + j + k) % 4], k)
        for i, name in enumerate(scripts)
        for j, sampling in enumerate(SAMPLINGS)
        for k in range(len(CODINGS))
    ]
    assert differing(differs, cases) == []


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("script", GREY.values(), ids=GREY)
def test_grey_files_are_cjpegs(script: str) -> None:
    image = picture(45, 67, 1)
    for options, switches in CODINGS:
        assert scripted(cjpeg, image, script, *switches) == jpegjax.encode(image, scans=script, **options)


@pytest.mark.needs("cjpeg")
def test_the_script_decides_over_progressive() -> None:
    image = picture(24, 40)
    for script in (SEQUENTIAL["apart"], EXAMPLE):
        theirs = scripted(cjpeg, image, script, "-progressive")
        assert theirs == jpegjax.encode(image, scans=script, progressive=True) == jpegjax.encode(image, scans=script)


@pytest.mark.needs("cjpeg")
def test_libjpeg_turbos_own_script(shared: Path) -> None:
    found = list((shared / "conformance").glob("*/testimages/test.scan"))
    if not found:
        pytest.skip("libjpeg-turbo's test images are not here")
    script, image = found[0].read_text(), picture(77, 130)
    assert scripted(cjpeg, image, script) == jpegjax.encode(image, scans=script)


@pytest.mark.needs("jpegtran")
def test_transcoded_files_are_jpegtrans() -> None:
    turns = [({}, []), ({"rotate": 90}, ["-rotate", "90"]), ({"grayscale": True}, ["-grayscale"])]

    def differs(script: str, sampling: str, progressive: bool, coding: int, turn: int) -> bool:
        data = jpegjax.encode(picture(45, 67), subsampling=sampling, progressive=progressive)
        (options, switches), (more, words) = CODINGS[coding], turns[turn]
        theirs = scripted(jpegtran, data, script, "-copy", "all", *switches, *words)
        assert theirs
        return theirs != jpegjax.transcode(data, **{"optimize": False, "scans": script, **options, **more})

    colour, grey = [*SEQUENTIAL.values(), *PROGRESSIVE.values()], list(GREY.values())
    cases = [
        (
            script,
            SAMPLINGS[(i + k) % (5 if script in grey else 7)],
            bool((i + k) % 2),
            k,
            2 if script in grey else i // 2 % 2,
        )
        for i, script in enumerate([*colour, *grey])
        for k in range(len(CODINGS))
    ]
    assert differing(differs, cases) == []


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_engines_and_batches(engine: str) -> None:
    images = [picture(40, 40), picture(24, 33), picture(24, 33)]
    for script in (SEQUENTIAL["chroma together"], EXAMPLE):
        files = jpegjax.encode(images, scans=script, engine=engine)
        assert files == [jpegjax.encode(image, scans=parse_script(script)) for image in images]
        assert jpegjax.write_coefficients(jpegjax.read_coefficients(files[0]), scans=script) == files[0]


def test_other_components_and_bits() -> None:
    """CMYK in pairs, twelve bits up to Al = 13: the coefficients come back."""
    cmyk, deep = np.tile(picture(40, 24, 1)[..., None], 4) // [1, 2, 3, 4], picture(40, 24).astype(np.uint16) * 16
    cmyk = cmyk.astype(np.uint8)
    for image, script, options in (
        (cmyk, "0 3; 1 2;", {"mode": "CMYK"}),
        (cmyk, "0 1 2 3: 0-0, 0, 0; " + "".join(f"{c}: 1-63, 0, 0;" for c in (3, 1, 0, 2)), {"mode": "CMYK"}),
        (deep, "0; 1 2;", {"precision": 12}),
        (
            deep,
            "0 1 2: 0-0, 0, 0;" + "".join(f"{c}: 1-63, 0, 1; {c}: 1-63, 1, 0;" for c in range(3)),
            {"precision": 12},
        ),
    ):
        file = jpegjax.encode(image, scans=script, **options)
        assert [scan.components for scan, _ in scans_of(file)] == [scan.components for scan in parse_script(script)]
        assert np.array_equal(jpegjax.decode(file), jpegjax.decode(jpegjax.encode(image, **options)))
    jpegjax.encode(deep, scans="0 1 2: 0-0, 0, 13;", precision=12)


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    factors=st.sampled_from([[(1, 1)], [(2, 2), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 2)]]),
    seed=st.integers(0, 1000),
    arithmetic=st.booleans(),
    restart=st.sampled_from([0, 0, 3]),
)
@settings(max_examples=25, deadline=None)
def test_any_legal_script_keeps_the_coefficients(data, size, factors, seed, arithmetic, restart) -> None:
    frame = random_frame(*size, factors)
    planes = random_planes(frame, seed, 0.1, 20)
    chosen = data.draw(random_script(len(factors)))
    script = sorted(
        chosen, key=lambda s: s.spectral[0] > 0 or s.approximation[0] > 0
    )  # first each DC, as libjpeg wants it
    batch = Coefficients(tuple(p[None] for p in planes), (np.ones((8, 8), np.uint16),) * len(factors), frame)
    file = jpegjax.write_coefficients(batch, scans=script, arithmetic=arithmetic, restart_blocks=restart)
    found = [scan for scan, _ in scans_of(file)]
    assert [(s.components, s.spectral, s.approximation) for s in found] == [
        (s.components, s.spectral, s.approximation) for s in script
    ]
    for plane, other in zip(planes, jpegjax.read_coefficients(file, strict=True).planes, strict=True):
        np.testing.assert_array_equal(plane, other[0])


REFUSED = [
    ("", "the script has no scan"),
    ("# nothing\n", "the script has no scan"),
    ("0 1 2; x;", "scan 2: 'x': must be component numbers"),
    ("0 1 2;;", "scan 2: '': must be"),
    ("0 1 2: 0 0 0;", "scan 1: '0 1 2: 0 0 0': must be"),
    ("0 1 2: 0--0, 0, 0;", "scan 1: "),
    ("0 1 2: 0-0, 0, 0: 1;", "scan 1: "),
    ("0; 1; 2; 3;", "scan 4: component 3; the picture's are 0..2"),
    ("0; 2 1;", "scan 2: components 2, 1; must rise"),
    ("0 0 1 2;", "scan 1: components 0, 0, 1, 2; must rise"),
    ("0 1 2 3 4;", "scan 1: 5 components; must be 1 to 4"),
    ("0; 1; 0; 2;", "scan 3: component 0 is sent twice"),
    ("0; 1;", "no scan sends component 2"),
    ("0 1 2; 0: 1-63, 0, 0;", "scan 2: Ss-Se 1-63, Ah=0, Al=0; after a first scan of 0-63 all must be"),
    ("0 1 2: 0-63, 0, 1;", "scan 1: Ss-Se 0-63, Ah=0, Al=1; after a first scan"),
    ("0 1 2: 0-0, 0, 0; 0: 1-64, 0, 0;", "scan 2: Ss-Se 1-64; must be within 0..63"),
    ("0 1 2: 0-0, 0, 0; 0: 5-4, 0, 0;", "scan 2: Ss-Se 5-4; must be within 0..63 and not fall"),
    ("0 1 2: 0-0, 0, 11;", r"scan 1: Ah=0, Al=11; must be 0\.\.10"),
    ("0 1 2: 0-5, 0, 0;", "scan 1: Ss-Se 0-5; progressive scans have DC .0-0. or AC .from 1., not both"),
    ("0 1 2: 0-0, 0, 0; 1 2: 1-63, 0, 0;", "scan 2: AC of 2 components; a scan of AC has one"),
    ("1 2: 0-0, 0, 0; 0: 1-63, 0, 0;", "scan 2: AC of component 0 before its DC"),
    ("0 1 2: 0-0, 1, 0;", "scan 1: Ah=1, but coefficient 0 of component 0 was not sent yet"),
    (
        "0 1 2: 0-0, 0, 2; 0: 0-0, 2, 0;",
        "scan 2: Ah=2, Al=0, but coefficient 0 of component 0 was sent up to bit 2; must be",
    ),
    ("0 1 2: 0-0, 0, 0; 0: 1-5, 0, 0; 0: 5-9, 0, 0;", "scan 3: .*coefficient 5 .* that is all of it"),
    ("0 1: 0-0, 0, 0;", "no scan sends the DC of component 2"),
]


@pytest.mark.parametrize(("script", "message"), REFUSED, ids=[script or "nothing" for script, _ in REFUSED])
def test_what_libjpeg_refuses(script: str, message: str) -> None:
    image = picture(16, 16)
    for function, what in ((jpegjax.encode, image), (jpegjax.transcode, jpegjax.encode(image))):
        with pytest.raises(ValueError, match=f"^scans: {message}") as caught:
            function(what, scans=script)
        assert not isinstance(caught.value, jpegjax.JpegError)
    if program("cjpeg") and script not in ("", "# nothing\n"):
        assert scripted(cjpeg, image, script) is None


def test_what_does_not_suit_the_picture() -> None:
    grey, colour = picture(16, 16, 1), picture(16, 16)
    with pytest.raises(ValueError, match=r"scan 1: component 1; the picture's are 0\.\.0"):
        jpegjax.encode(grey, scans="0 1 2;")
    with pytest.raises(ValueError, match="no scan sends component 1"):
        jpegjax.encode(colour, scans="0;")
    with pytest.raises(ValueError, match="scan 1: an MCU of 12 blocks; may hold at most 10"):
        jpegjax.write_coefficients(_wide(), scans="0 1 2;")
    with pytest.raises(ValueError, match="scans: lossless files have none"):
        jpegjax.encode(colour, lossless=True, scans="0 1 2;")
    for wrong in (b"0 1 2;", 3, [(0, 1, 2)], [Scan((0.5,))], [Scan((0,), spectral=(0, "63"))]):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^scans: "):
            jpegjax.encode(colour, scans=wrong)
    for wrong in ([], [Scan(())], [Scan((-1, 0))], [Scan((0, 1, 2), spectral=(0, 1, 2))]):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^scans: "):
            jpegjax.encode(colour, scans=wrong)


def _wide() -> Coefficients:
    """Three components whose blocks do not fit into one MCU."""
    frame = random_frame(32, 32, [(2, 2), (2, 2), (2, 2)])
    planes = random_planes(frame, 0, 0.1, 4)
    return Coefficients(tuple(p[None] for p in planes), (np.ones((8, 8), np.uint16),) * 3, frame)


def test_scripts_split_what_does_not_fit_together() -> None:
    wide = _wide()
    for script in ("0 2; 1;", "0 1: 0-0, 0, 0; 2: 0-0, 0, 0;" + "".join(f"{c}: 1-63, 0, 0;" for c in range(3))):
        back = jpegjax.read_coefficients(jpegjax.write_coefficients(wide, scans=script))
        for plane, other in zip(wide.planes, back.planes, strict=True):
            np.testing.assert_array_equal(plane, other)


def test_command_line(run: Run) -> None:
    Image.fromarray(picture(24, 40)).save("x.png")
    Path("scans.txt").write_text(EXAMPLE)
    Path("bad.txt").write_text("0; 1; 2; 2;")
    assert run("encode", "x.png", "-scans", "scans.txt", "-outfile", "x.jpg").code == 0
    assert Path("x.jpg").read_bytes() == jpegjax.encode(picture(24, 40), scans=EXAMPLE)
    Path("grey.txt").write_text(GREY["progressive"])
    assert run("encode", "x.png", "-grayscale", "-scans", "grey.txt", "-outfile", "g.jpg").code == 0
    assert Path("g.jpg").read_bytes() == jpegjax.transcode("g.jpg", scans=GREY["progressive"])
    refused = run("encode", "x.png", "-scans", "grey.txt", "-outfile", "z.jpg")
    assert refused.code == 1 and "no scan sends the DC of component 1" in refused.err and not Path("z.jpg").exists()
    assert run("transcode", "x.jpg", "-scans", "scans.txt", "-restart", "1", "-outfile", "y.jpg").code == 0
    assert Path("y.jpg").read_bytes() == jpegjax.transcode("x.jpg", scans=EXAMPLE, restart_rows=1)
    for words in (("encode", "x.png"), ("transcode", "x.jpg")):
        refused = run(*words, "--scans", "bad.txt", "-o", "z.jpg")
        assert refused.code == 2 and "scans: scan 4: component 2 is sent twice" in refused.err
        missing = run(*words, "--scans", "none.txt", "-o", "z.jpg")
        assert missing.code == 2 and "--scans none.txt" in missing.err
    assert "--verify: Pillow" in run("encode", "x.png", "--scans", "scans.txt", "--verify", "-o", "z.jpg").err
