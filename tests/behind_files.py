"""Files with something behind the first picture, put together by the formats' own tables, and a small reader of MPF."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

import numpy as np

import jpegjax

__all__ = [
    "EXTENDED_FTYP",
    "gain_map_xmp",
    "iso_metadata",
    "jpeg",
    "motion_xmp",
    "mpf_offsets",
    "mpo",
    "samsung",
    "segment", "spellings",
    "ultra_hdr",
    "with_segments",
    "xmp_segment",
]  # fmt: skip

EXTENDED_FTYP = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x0cmdatvide"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
ISO = b"urn:iso:std:iso:ts:21496:-1\0"


def jpeg(seed: int, height: int = 48, width: int = 64, grey: bool = False, **options) -> bytes:
    """A file of smooth noise; every seed another picture."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    image = np.kron(small, np.ones((8, 8, 1), np.uint8))[:height, :width]
    return jpegjax.encode(image[..., 0] if grey else image, **options)


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def xmp_segment(xmp: bytes | str) -> bytes:
    return segment(0xE1, XMP + (xmp.encode() if isinstance(xmp, str) else xmp))


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """The segments stand behind JFIF."""
    at = 20 if data[2:4] == b"\xff\xe0" else 2
    return data[:at] + b"".join(segments) + data[at:]


def _index(order: str, kinds: Sequence[int], places: Sequence[tuple[int, int]]) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    n = len(kinds)
    tags = struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(order + "HHII", 0xB001, 4, 1, n)
    tags += struct.pack(order + "HHII", 0xB002, 7, 16 * n, 8 + 2 + 36 + 4)
    body = mark + struct.pack(order + "IH", 8, 3) + tags + bytes(4)
    for kind, (nbytes, offset) in zip(kinds, places, strict=True):
        body += struct.pack(order + "IIIHH", kind, nbytes, offset, 0, 0)
    return segment(0xE2, b"MPF\0" + body)


def mpo(
    pictures: Sequence[bytes],
    order: str = "<",
    before: bytes = b"",
    kinds: Sequence[int] | None = None,
    gap: bytes = b"",
) -> bytes:
    """A multi-picture file. before: segments in front of the index; gap: what stands between pictures."""
    kinds = kinds or [0x030000, *[0x020002] * (len(pictures) - 1)]
    size = len(_index(order, kinds, [(0, 0)] * len(pictures)))
    at = 20 if pictures[0][2:4] == b"\xff\xe0" else 2
    base = at + len(before) + 8
    first = len(pictures[0]) + len(before) + size
    places, position = [(first, 0)], first
    for one in pictures[1:]:
        position += len(gap)
        places.append((len(one), position - base))
        position += len(one)
    head = with_segments(pictures[0], before + _index(order, kinds, places))
    return gap.join([head, *pictures[1:]])


def mpf_offsets(data: bytes) -> list[tuple[int, int]]:
    """(offset in the file, nbytes) of every entry of the first index, by a reader that shares nothing with the library."""
    at = data.index(b"MPF\0") + 4
    order = "<" if data[at : at + 2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, at + 4)
    (count,) = struct.unpack_from(order + "H", data, at + start)
    for i in range(count):
        tag, _, size, value = struct.unpack_from(order + "HHII", data, at + start + 2 + 12 * i)
        if tag == 0xB002:
            entries = [struct.unpack_from(order + "III", data, at + value + 16 * k) for k in range(size // 16)]
            return [(at + offset if offset else 0, nbytes) for _, nbytes, offset in entries]
    return []


def gain_map_xmp(elements: bool = False, **values: str) -> str:
    """hdrgm of a gain map; elements: three channels, as elements."""
    given = {"GainMapMax": "2.5", "HDRCapacityMax": "2.5", **values}
    if elements:
        lists = "".join(
            f"<hdrgm:{name}><rdf:Seq>{''.join(f'<rdf:li>{v}</rdf:li>' for v in text.split())}</rdf:Seq></hdrgm:{name}>"
            for name, text in given.items()
        )
        inner = f'hdrgm:Version="1.0">{lists}</rdf:Description>'
    else:
        inner = 'hdrgm:Version="1.0" ' + " ".join(f'hdrgm:{name}="{text}"' for name, text in given.items()) + "/>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" {inner}</rdf:RDF></x:xmpmeta>'
    )


def container_xmp(
    items: Sequence[tuple[str, str, int]], extra: str = "", prefixes: tuple[str, str] = ("Container", "Item")
) -> str:
    """GContainer's directory of (semantic, mime, length) behind the primary; extra: attributes with their namespaces."""
    c, i = prefixes
    rows = [f'<{c}:Item {i}:Semantic="Primary" {i}:Mime="image/jpeg"/>']
    rows += [f'<{c}:Item {i}:Semantic="{s}" {i}:Mime="{m}" {i}:Length="{n}"/>' for s, m, n in items]
    listed = "".join(f'<rdf:li rdf:parseType="Resource">{row}</rdf:li>' for row in rows)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:{c}="http://ns.google.com/photos/1.0/container/" xmlns:{i}="http://ns.google.com/photos/1.0/container/item/" '
        f"{extra}><{c}:Directory><rdf:Seq>{listed}</rdf:Seq></{c}:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    )


HDRGM = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
MOTION = (
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"'
)


def motion_xmp(old: bool, nbytes: int) -> str:
    if not old:
        return container_xmp([("MotionPhoto", "video/mp4", nbytes)], MOTION)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideo="1" '
        f'GCamera:MicroVideoVersion="1" GCamera:MicroVideoOffset="{nbytes}"/></rdf:RDF></x:xmpmeta>'
    )


def iso_metadata(high: float = 2.5, low: float = 0.0, common: bool = False) -> bytes:
    """ISO 21496-1's metadata of one channel, in 1/4096ths."""
    d = 4096
    values = [0, int(high * d), int(low * d), int(high * d), d, 64, 64]
    if common:
        return ISO + struct.pack(">HHBI", 0, 0, 0x48, d) + struct.pack(">IIiiIii", *values)
    return ISO + struct.pack(">HHB", 0, 0, 0x40) + b"".join(struct.pack(">iI", v, d) for v in values)


def ultra_hdr(forms: str, first: bytes, gain_map: bytes, video: bytes = b"") -> bytes:
    """A picture with a gain map, told by "xmp" (GContainer and hdrgm), "iso" (MPF and ISO 21496-1) or "both"."""
    if forms != "xmp":
        gain_map = with_segments(gain_map, segment(0xE2, iso_metadata()))
    before = b""
    if forms != "iso":
        gain_map = with_segments(gain_map, xmp_segment(gain_map_xmp()))
        items = [("GainMap", "image/jpeg", len(gain_map))] + (
            [("MotionPhoto", "video/mp4", len(video))] if video else []
        )
        before = xmp_segment(container_xmp(items, f"{HDRGM} {MOTION}" if video else HDRGM))
    if forms == "xmp":
        return with_segments(first, before) + gain_map + video
    before += segment(0xE2, ISO + bytes(4))
    return mpo([first, gain_map], ">", before, [0x030000, 0]) + video


def samsung(video: bytes) -> bytes:
    """Samsung's trailer: two blocks, their directory, SEFT."""
    blocks = [(0x0A01, b"Image_UTC_Data", b"1700000000000"), (0x0A30, b"MotionPhoto_Data", video)]
    body, places = b"", []
    for kind, name, content in blocks:
        places.append((kind, len(body), 8 + len(name) + len(content)))
        body += struct.pack("<HHI", 0, kind, len(name)) + name + content
    rows = b"".join(struct.pack("<HHII", 0, kind, len(body) - at, nbytes) for kind, at, nbytes in places)
    listing = b"SEFH" + struct.pack("<II", 107, len(places)) + rows
    return body + listing + struct.pack("<I", len(listing)) + b"SEFT"


def spellings(attributes: str) -> list[str | bytes]:
    """The same XMP with other quotes and prefixes, with elements, and in UTF-16."""

    def elements(found: re.Match[str]) -> str:
        inner = re.sub(r'(\S+)="([^"]*)"', r"<\1> \2\n</\1>", found[1])
        return f"<Container:Item>{inner}</Container:Item>"

    offset = r"><GCamera:MicroVideoOffset> \1\n</GCamera:MicroVideoOffset></rdf:Description>"
    element = re.sub(r"<Container:Item ([^<>]*)/>", elements, attributes)
    element = re.sub(r'GCamera:MicroVideoOffset="(\d+)"/>', offset, element)
    assert element != attributes
    other = attributes.replace("Item:", "i:").replace("xmlns:Item", "xmlns:i").replace("GCamera", "g")
    utf16 = [attributes.encode("utf-16"), element.encode("utf-16-le")]
    return [attributes, attributes.replace('"', "'"), other, element, *utf16]
