"""A gain map's metadata in its two forms: Adobe's XMP (hdrgm) and ISO 21496-1's binary one."""

from __future__ import annotations

import struct
from fractions import Fraction

from ...options.gain_map import GainMapMetadata
from .xmp import HDRGM, Packet

__all__ = ["ISO_PREFIX", "ISO_VERSION", "iso_body", "read_iso", "read_properties", "xmp_properties"]

ISO_PREFIX = b"urn:iso:std:iso:ts:21496:-1\0"
ISO_VERSION = ISO_PREFIX + bytes(4)
"""What the first picture carries: the least version that a reader must know, and the writer's."""

_MULTICHANNEL, _BASE_COLOUR, _BACKWARD, _COMMON = 0x80, 0x40, 0x04, 0x08  # the last two are libultrahdr's
_LARGEST = (1 << 31) - 1
_NAMES = {
    "GainMapMin": "gain_min", "GainMapMax": "gain_max", "Gamma": "gamma", "OffsetSDR": "offset_sdr",
    "OffsetHDR": "offset_hdr", "HDRCapacityMin": "hdr_capacity_min", "HDRCapacityMax": "hdr_capacity_max",
}  # fmt: skip


def read_properties(packet: Packet) -> GainMapMetadata | None:
    """What a gain map's XMP says; None where it says nothing, ValueError where it makes no sense."""
    values: dict[str, object] = {}
    for name, field in _NAMES.items():
        texts = [value.text for value in packet.properties.get((HDRGM, name), ())]
        if texts:
            numbers = [float(text) for text in texts]
            values[field] = numbers[0] if len(numbers) == 1 else tuple(numbers)
    if "gain_max" not in values:
        return None
    hdr = packet.properties.get((HDRGM, "BaseRenditionIsHDR"))
    return GainMapMetadata(base_is_hdr=hdr is not None and hdr[0].text.strip().lower() == "true", **values)  # type: ignore[arg-type]


def xmp_properties(metadata: GainMapMetadata) -> dict[str, list[str]]:
    """hdrgm's names and values, three where the channels differ."""
    found = {"Version": ["1.0"]}
    for name, field in _NAMES.items():
        value = getattr(metadata, field)
        found[name] = [repr(v) for v in (value if isinstance(value, tuple) else (value,))]
    return found | {"BaseRenditionIsHDR": [str(metadata.base_is_hdr)]}


def read_iso(body: bytes) -> GainMapMetadata | None:
    """What an APP2 body of ISO_PREFIX says; None where it is a version alone, ValueError where it is damaged."""
    data = body[len(ISO_PREFIX) :]
    if len(data) <= 4:
        return None
    least, _, flags = struct.unpack_from(">HHB", data)
    if least:
        raise ValueError(f"version {least} is unknown")
    channels = 3 if flags & _MULTICHANNEL else 1
    wanted = 2 + 5 * channels
    try:
        if flags & _COMMON:
            common, *tops = struct.unpack_from(">II" + "I" + "iiIii" * channels, data, 5)
            pairs = [(n, common) for n in tops]
        else:
            numbers = struct.unpack_from(">IIII" + "iIiIIIiIiI" * channels, data, 5)
            pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    except struct.error:
        raise ValueError(f"{len(data)} bytes do not hold {wanted} fractions") from None
    if any(d == 0 for _, d in pairs):
        raise ValueError("a denominator is 0")
    base, alternate, *rest = [n / d for n, d in pairs]
    low, high, gamma, base_offset, other_offset = (tuple(rest[i::5]) for i in range(5))
    if channels == 1:
        low, high, gamma, base_offset, other_offset = (v * 3 for v in (low, high, gamma, base_offset, other_offset))
    backward = base > alternate or bool(flags & _BACKWARD)
    sdr, hdr = (other_offset, base_offset) if backward else (base_offset, other_offset)
    return GainMapMetadata(
        high,
        low,
        gamma,
        sdr,
        hdr,
        min(base, alternate),
        max(base, alternate),
        backward,
    )


def _fraction(value: float) -> tuple[int, int]:
    """The simplest fraction of 32 bits that is the number, or else the nearest."""
    limit = max(1, int(_LARGEST / max(1.0, abs(value))))
    for bits in range(0, 32, 4):
        near = Fraction(value).limit_denominator(min(1 << bits, limit))
        if float(near) == value:
            break
    return max(-_LARGEST, min(near.numerator, _LARGEST)), near.denominator


def iso_body(metadata: GainMapMetadata) -> bytes:
    """The APP2 body of a gain map."""
    fields = [metadata.gain_min, metadata.gain_max, metadata.gamma, metadata.offset_sdr, metadata.offset_hdr]
    headroom = [metadata.hdr_capacity_min, metadata.hdr_capacity_max or 0.0]
    flags = _BASE_COLOUR
    if metadata.base_is_hdr:
        flags |= _BACKWARD
        headroom.reverse()
        fields[3:] = fields[:2:-1]
    channels = 3 if any(isinstance(f, tuple) for f in fields) else 1
    out = ISO_PREFIX + struct.pack(">HHB", 0, 0, flags | (_MULTICHANNEL if channels == 3 else 0))
    for boost in headroom:
        out += struct.pack(">II", *_fraction(boost))
    for c in range(channels):
        for value, kind in zip(fields, "iiIii", strict=True):
            out += struct.pack(f">{kind}I", *_fraction(value[c] if isinstance(value, tuple) else value))
    return out
