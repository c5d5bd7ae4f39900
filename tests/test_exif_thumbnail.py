"""EXIF's own thumbnail and sizes follow a turn or a crop, nothing else in EXIF moves, and jpegtran's bytes stay by default."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from oracles import jpegtran, pillow
from pictures import waves
from PIL import ExifTags, Image
from streams import with_segments

import jpegjax
from jpegjax.container.metadata import resized_exif, upright_exif, with_thumbnail

MAKER = b"maker note with an offset of its own " + struct.pack("<I", 0x1234)
TURNS = {2: ("flip", "horizontal"), 3: ("rotate", 180), 4: ("flip", "vertical"), 5: ("flip", "transpose"), 6: ("rotate", 90),
         7: ("flip", "transverse"), 8: ("rotate", 270)}  # fmt: skip
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class Exif:
    """EXIF by hand: IFD0 with size and orientation, an Exif directory, a maker note, IFD1 with a JPEG thumbnail."""

    def __init__(
        self,
        orientation: int,
        size: tuple[int, int],
        thumbnail: bytes,
        kind: int = 4,
        order: str = "<",
        last: bool = True,
    ):
        def entry(tag: int, value: int, kind: int = kind) -> bytes:
            letter = {1: "B", 3: "H", 4: "I", 9: "i"}[kind]
            return struct.pack(order + "HHI", tag, kind, 1) + struct.pack(order + letter, value).ljust(4, b"\0")

        outer_at, inner_at, behind_at = 8, 100, 200
        data_at = 300
        outer = [
            entry(0x0100, size[0]),
            entry(0x0101, size[1]),
            entry(0x0112, orientation, 3),
            entry(0x8769, inner_at, 4),
        ]
        maker_at, thumb_at = data_at, data_at + len(MAKER)
        inner = [
            struct.pack(order + "HHII", 0x927C, 7, len(MAKER), maker_at),
            entry(0xA002, size[0]),
            entry(0xA003, size[1]),
        ]
        width, height = Image.open(io.BytesIO(thumbnail)).size
        behind = [entry(0x0100, width), entry(0x0101, height), entry(0x0103, 6, 3), entry(0x0112, orientation, 3),
                  entry(0x0201, thumb_at, 4), entry(0x0202, len(thumbnail), 4)]  # fmt: skip

        def directory(entries: list[bytes], more: int) -> bytes:
            return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", more)

        tiff = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", outer_at)).ljust(
            300, b"\0"
        )
        for at, entries, more in ((outer_at, outer, behind_at), (inner_at, inner, 0), (behind_at, behind, 0)):
            block = directory(entries, more)
            tiff[at : at + len(block)] = block
        self.fixed = 300 + len(MAKER)
        self.body = b"Exif\0\0" + bytes(tiff) + MAKER + thumbnail + (b"" if last else b"what stands behind")


def told(data: bytes) -> tuple[dict[int, int], dict[int, int], bytes | None]:
    """(sizes and orientation of IFD0 and the Exif directory, those of IFD1, the thumbnail), as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        outer, inner, behind = dict(exif), exif.get_ifd(0x8769), exif.get_ifd(ExifTags.IFD.IFD1)
        assert inner[0x927C] == MAKER
        body = image.info["exif"][6:]
    if not behind:
        return {**outer, **inner}, {}, None
    return {**outer, **inner}, behind, body[behind[0x201] : behind[0x201] + behind[0x202]]


def shows(thumbnail: bytes, data: bytes) -> bool:
    """Whether it looks like what Pillow makes: the picture averaged to this size, coded at quality 75."""
    with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(thumbnail)) as ours:
        theirs = pillow(np.asarray(image.convert("RGB").resize(ours.size, Image.Resampling.BOX)))
        difference = np.asarray(ours).astype(int) - np.asarray(Image.open(io.BytesIO(theirs)))
    return bool(np.abs(difference).mean() < 4)


def scene(width: int, height: int) -> np.ndarray:
    """The same smooth picture at any size, which no turn leaves alike."""
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    bands = [255 * x * y, 128 + 100 * np.sin(6 * x + 2 * y), 255 * (1 - x) * (0.3 + 0.7 * y)]
    return np.stack(bands, axis=2).astype(np.uint8)


def pair(
    size: tuple[int, int], small: tuple[int, int], orientation: int, sampling: str = "4:4:4", **exif
) -> tuple[bytes, bytes]:
    """(A file with a thumbnail, the thumbnail)."""
    thumbnail = jpegjax.encode(scene(*small), subsampling=sampling, quality=60)
    body = Exif(orientation, size, thumbnail, **exif).body
    return with_segments(pillow(scene(*size), quality=90), (0xE1, body)), thumbnail


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", [3, 4, 9])
@pytest.mark.parametrize("order", "<>")
def test_a_turned_thumbnail_is_jpegtrans(orientation: int, kind: int, order: str) -> None:
    data, thumbnail = pair((160, 128), (80, 64), orientation, kind=kind, order=order)
    name, value = TURNS[orientation]
    made = jpegjax.transcode(data, apply_exif_orientation=True)
    sizes, small, found = told(made)
    assert found == jpegjax.transcode(thumbnail, **{name: value})
    upright = (128, 160) if orientation >= 5 else (160, 128)
    assert (sizes[0x100], sizes[0x101]) == (sizes[0xA002], sizes[0xA003]) == upright and sizes[0x112] == 1
    assert (small[0x100], small[0x101]) == Image.open(io.BytesIO(found)).size and small[0x112] == 1
    by_hand = jpegjax.transcode(data, **{name: value}, thumbnail="update")
    assert told(by_hand)[2] == found and told(by_hand)[0][0x112] == orientation
    kept = jpegjax.transcode(data, apply_exif_orientation=True, thumbnail="keep")
    assert told(kept)[2] == thumbnail and told(kept)[0][0xA002] == upright[0]


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("switches", [{"rotate": 90}, {"crop": (16, 16, 50, 40)}, {"flip": "transverse"}, {}], ids=str)
def test_jpegtrans_bytes_stay_unless_asked(switches: dict) -> None:
    data, _ = pair((160, 128), (80, 64), 6)
    words = [w for name, v in switches.items() for w in (f"-{name}", str(v) if name != "crop" else "50x40+16+16")]
    words = ["-transverse"] if "flip" in switches else words
    for file in (data, data[:2] + data[20:]):
        wanted = jpegtran(file, "-copy", "all", "-optimize", *words)
        assert jpegjax.transcode(file, **switches) == jpegjax.transcode(file, **switches, thumbnail="keep") == wanted


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("small", [(80, 60), (61, 47)])
def test_one_that_cannot_be_turned_without_loss_is_made_anew(
    orientation: int, small: tuple[int, int], last: bool
) -> None:
    data, thumbnail = pair((320, 240), small, orientation, "4:2:0", last=last)
    made = jpegjax.transcode(data, apply_exif_orientation=True)
    _, told_small, found = told(made)
    with Image.open(io.BytesIO(thumbnail)) as image:
        wanted = image.transpose(UPRIGHT[orientation])
    size = Image.open(io.BytesIO(found)).size
    assert (
        size == (told_small[0x100], told_small[0x101])
        and abs(size[0] - wanted.width) <= 1
        and abs(size[1] - wanted.height) <= 1
    )
    assert shows(found, made)


@pytest.mark.parametrize("crop", [(0, 0, 160, 160), (96, 64, 33, 31), (16, 16, 300, 20), (0, 0, 3, 200)])
@pytest.mark.parametrize("options", [{"apply_exif_orientation": True}, {"thumbnail": "update"}], ids=str)
def test_a_cropped_pictures_thumbnail_shows_the_crop(crop: tuple[int, int, int, int], options: dict) -> None:
    data, _ = pair((320, 240), (80, 60), 1)
    made = jpegjax.transcode(data, crop=crop, **options)
    sizes, small, found = told(made)
    picture = Image.open(io.BytesIO(made)).convert("RGB")
    assert (sizes[0x100], sizes[0x101]) == (sizes[0xA002], sizes[0xA003]) == picture.size
    thumbnail = Image.open(io.BytesIO(found))
    share = min(80 / picture.width, 60 / picture.height, 1)
    assert thumbnail.size == (max(round(picture.width * share), 1), max(round(picture.height * share), 1))
    assert (small[0x100], small[0x101]) == thumbnail.size
    assert shows(found, made)


def test_nothing_moves_and_nothing_of_the_old_thumbnail_stays() -> None:
    for last in (True, False):
        data, thumbnail = pair((320, 240), (80, 64), 1, last=last)
        before = jpegjax.info(data).metadata.exif
        made = jpegjax.info(jpegjax.transcode(data, crop=(64, 64, 64, 64), thumbnail="update")).metadata.exif
        changed = [i for i in range(6 + 300 + len(MAKER)) if before[i] != made[i]]
        entries = [6 + at + 2 + 12 * i for at, n in ((8, 4), (100, 3), (200, 6)) for i in range(n)]
        assert all(any(e <= i < e + 12 for e in entries) for i in changed)
        assert thumbnail[600:640] not in made
        if not last:
            assert made[6 + 300 + len(MAKER) + len(thumbnail) :].startswith(b"what stands behind")


def test_a_thumbnail_without_room_is_removed() -> None:
    small = jpegjax.encode(scene(32, 32), quality=5)
    body = Exif(1, (320, 240), small).body
    filled = body + b"f" * (65_533 - len(body))
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    data = with_segments(pillow(noise, quality=100), (0xE1, filled))
    made = jpegjax.transcode(data, crop=(0, 0, 32, 32), thumbnail="update")
    sizes, entries, found = told(made)
    assert found is None and not entries and sizes[0xA002] == 32
    kept = jpegjax.info(made).metadata.exif
    assert len(kept) == len(filled) and small[600:640] not in kept and kept.endswith(b"ffff")


def test_pictures_without_a_colour_of_thumbnails_lose_theirs() -> None:
    cmyk = np.random.default_rng(2).integers(0, 256, (61, 75, 4), np.uint8)
    body = Exif(6, (75, 61), jpegjax.encode(waves(61, 75))).body
    plain = io.BytesIO()
    Image.frombytes("CMYK", (75, 61), cmyk.tobytes()).save(plain, "JPEG")
    data = plain.getvalue()
    data = data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body + data[2:]
    assert told(jpegjax.transcode(data, apply_exif_orientation=True, trim=True))[2] is None


def test_damaged_thumbnails_are_left_or_made_anew() -> None:
    data, thumbnail = pair((320, 240), (80, 64), 6)
    outside = data.replace(
        struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)), struct.pack("<HHII", 0x0202, 4, 1, 70_000)
    )
    assert jpegjax.info(jpegjax.transcode(outside, apply_exif_orientation=True)).metadata.orientation == 1
    broken = data.replace(thumbnail, thumbnail[:40] + bytes(len(thumbnail) - 40))
    found = told(jpegjax.transcode(broken, apply_exif_orientation=True))[2]
    assert Image.open(io.BytesIO(found)).size == (90, 120)
    loop = data.replace(struct.pack("<I", 200), struct.pack("<I", 8))  # the first directory is its own next
    assert jpegjax.transcode(loop, apply_exif_orientation=True)


def test_one_that_is_not_compressed_is_removed() -> None:
    pixels = bytes(range(48)) * 4
    behind = struct.pack("<H", 3) + struct.pack("<HHII", 0x0103, 3, 1, 1) + struct.pack("<HHII", 0x0111, 4, 1, 100)
    behind += struct.pack("<HHII", 0x0117, 4, 1, len(pixels)) + bytes(4)
    tiff = b"II*\0" + struct.pack("<IHI", 8, 0, 14) + behind
    body = b"Exif\0\0" + tiff.ljust(100, b"\0") + pixels + b"more"
    data = with_segments(pillow(scene(64, 48)), (0xE1, body))
    kept = jpegjax.info(jpegjax.transcode(data, rotate=90)).metadata.exif
    made = jpegjax.info(jpegjax.transcode(data, rotate=90, thumbnail="update")).metadata.exif
    assert kept == body and len(made) == len(body) and made.endswith(bytes(48) + b"more")
    with Image.open(io.BytesIO(jpegjax.transcode(data, rotate=90, thumbnail="update"))) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1) == {}


def test_any_byte_may_be_wrong() -> None:
    data, thumbnail = pair((64, 48), (32, 24), 6, last=False)
    body = jpegjax.info(data).metadata.exif
    rng = np.random.default_rng(3)
    for i in range(3000):
        damaged = bytearray(body)
        for _ in range(int(rng.integers(1, 4))):
            damaged[int(rng.integers(6, 300))] = int(rng.choice([0, 1, 2, 4, 8, 200, 255, int(rng.integers(256))]))
        for jpeg in (thumbnail, thumbnail * 3, None):
            assert with_thumbnail(upright_exif(bytes(damaged)), jpeg, (32, 24))[:6] == b"Exif\0\0"
        assert len(resized_exif(bytes(damaged), 7, 65_535, everywhere=True)) == len(body)
        if i < 40:
            wrong = data.replace(body, bytes(damaged))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", jpegjax.JpegWarning)
                made = jpegjax.transcode(wrong, apply_exif_orientation=True, trim=False)
            assert np.array_equal(jpegjax.decode(made).shape[2:], (3,))


def test_photographs_of_cameras(shared) -> None:
    """Real EXIF, with maker notes: what ImageOps makes of the thumbnail is what ours shows, and all other values stay."""
    checked = 0
    for path in sorted((shared / "conformance/python-pillow__Pillow/Tests/images").glob("*.jp*g")):
        data = path.read_bytes()
        if b"Exif\0\0" not in data[:4000] or len(data) > 300_000 or checked > 5:
            continue
        try:
            with Image.open(io.BytesIO(data)) as image:
                exif = image.getexif()
                before, behind = {**dict(exif), **exif.get_ifd(0x8769)}, exif.get_ifd(ExifTags.IFD.IFD1)
                size = image.size
            made = jpegjax.transcode(data, rotate=180, thumbnail="update")
        except Exception:
            continue
        if 0x201 not in behind:
            continue
        with Image.open(io.BytesIO(made)) as image:
            exif = image.getexif()
            after = {**dict(exif), **exif.get_ifd(0x8769)}
            assert image.size == size
        assert before.keys() == after.keys(), path
        assert all(repr(before[k]) == repr(after[k]) for k in before if k not in (0xA002, 0xA003)), path
        checked += 1
    assert checked > 3
