"""Text, screens, charts and drawings that nothing is tuned on. Fonts: STIX, Computer Modern, Pillow's; Latin words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .ink import Color, Sheet, painted, prose, random, shade, width

__all__ = ["DRAWINGS", "REAL"]

REAL = ("osbooks-world-history_4950539407.avif", "osbooks-world-history_e71a317840.avif")
"""Drawings of the training packs, validation side: two maps."""

_TEXT = (
    "et inde non est ad cum ut quod si lorem ipsum dolor sit amet consul arma virumque cano troiae primus oris fato profugus "
    "litora multum ille terris iactatus alto vi superum saevae memorem iunonis ob iram bello passus dum conderet urbem "
    "genus latinum albani patres altae moenia romae musa mihi causas memora numine laeso quidve dolens regina"
)
_WORDS = tuple(_TEXT.split())
_INK, _PAPER = (0, 0, 0), (255, 255, 255)
_SERIF, _ROMAN, _CLEAN, _TYPED, _PLAIN = "STIXGeneral", "cmr10", "cmss10", "cmtt10", "Pillow"


def article(photograph: np.ndarray) -> np.ndarray:
    """Two columns of a journal, black on white, with rules."""
    rng, sheet = random("article"), Sheet(560, 600, _PAPER)
    sheet.write(280, 30, "De Litoribus Romae", _ROMAN, 26, _INK, "ma")
    sheet.write(280, 66, "M. Aeneas, Q. Musa", "STIXGeneralItalic", 15, _INK, "ma")
    sheet.draw.line((36, 92, 524, 92), _INK)
    for left in (36, 290):
        y = 104
        for length in (52, 60, 58, 40):
            y = 6 + sheet.paragraph((left, y, left + 234, 590), prose(rng, _WORDS, length), _SERIF, 14, _INK, 1.2)
    return sheet.pixels


def terminal(photograph: np.ndarray) -> np.ndarray:
    """A typewriter's letters on black, without anti-aliasing, some green, some red."""
    rng, sheet = random("terminal"), Sheet(544, 368, _INK, "hard")
    for row in range(21):
        y = 6 + 17 * row
        if row % 5 == 0:
            sheet.write(8, y, "roma:/moenia$", _TYPED, 15, (0, 220, 0))
            sheet.write(8 + width("roma:/moenia$ ", _TYPED, 15), y, prose(rng, _WORDS, 2).lower(), _TYPED, 15, _PAPER)
        else:
            ink: Color = (230, 60, 50) if rng.random() < 0.15 else (190, 190, 190)
            sheet.write(8, y, f"{rng.integers(0, 1 << 30):08x}  " + prose(rng, _WORDS, 6), _TYPED, 15, ink)
    return sheet.pixels


def slide(photograph: np.ndarray) -> np.ndarray:
    """White on dark blue: a title, points, an orange rule."""
    rng, sheet = random("slide"), Sheet(640, 360, (12, 35, 64))
    sheet.write(36, 30, "Arma virumque cano", _PLAIN, 38, _PAPER)
    sheet.draw.rectangle((36, 84, 200, 89), (255, 130, 20))
    for i in range(5):
        y = 112 + 46 * i
        sheet.draw.ellipse((42, y + 8, 51, y + 17), (255, 130, 20))
        sheet.write(66, y, prose(rng, _WORDS, 7)[:-1], _PLAIN, 21, (235, 240, 250))
    return sheet.pixels


def poster(photograph: np.ndarray) -> np.ndarray:
    """Loud letters of several sizes over a loud gradient; red, yellow and green that touch."""
    rng, sheet = random("poster"), Sheet(400, 560, shade((400, 560), (230, 0, 120), (90, 0, 160)))
    for y, size, ink in ((24, 62, (255, 235, 0)), (96, 40, (0, 255, 180)), (150, 52, _PAPER), (216, 30, (255, 120, 0))):
        sheet.write(24, y, _WORDS[int(rng.integers(20, len(_WORDS)))].upper(), _CLEAN, size, ink)
    sheet.draw.rectangle((0, 280, 400, 380), (255, 230, 0))
    sheet.paragraph((20, 290, 384, 376), prose(rng, _WORDS, 34), _CLEAN, 19, (225, 0, 0))
    sheet.draw.rectangle((0, 380, 400, 470), (0, 90, 60))
    sheet.paragraph((20, 390, 384, 466), prose(rng, _WORDS, 40), "STIXGeneralBol", 15, (255, 90, 90))
    sheet.paragraph((20, 482, 384, 552), prose(rng, _WORDS, 40), _PLAIN, 12, (255, 255, 0))
    return sheet.pixels


def listing(photograph: np.ndarray) -> np.ndarray:
    """Files in a window, small text with LCD edges, every other row tinted, one row chosen."""
    rng, sheet = random("listing"), Sheet(480, 352, _PAPER, "lcd")
    for row in range(17):
        y = 8 + 20 * row
        ink: Color = (20, 20, 20)
        if row == 6:
            sheet.draw.rectangle((0, y - 2, 480, y + 17), (0, 99, 225))
            ink = _PAPER
        elif row % 2:
            sheet.draw.rectangle((0, y - 2, 480, y + 17), (243, 246, 250))
        sheet.draw.rectangle((10, y + 2, 22, y + 12), (90, 180, 250), (40, 110, 190))
        sheet.write(32, y, "_".join(_WORDS[int(k)] for k in rng.integers(10, 60, 2)) + ".txt", _PLAIN, 13, ink)
        sheet.write(300, y, f"{rng.integers(1, 900)} KB", _PLAIN, 13, ink, "ra")
        sheet.write(330, y, f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.2024", _PLAIN, 13, ink)
    return sheet.pixels


def player(photograph: np.ndarray) -> np.ndarray:
    """Music, in the dark: a glowing cover, round buttons, sliders."""
    from PIL import Image

    sheet = Sheet(384, 512, shade((384, 512), (58, 28, 80), (18, 18, 24)))
    yy, xx = np.mgrid[:240, :240]
    glow = np.clip(1 - np.hypot(xx - 90, yy - 80) / 220, 0, 1)[..., None]
    cover = np.round(glow * (255, 170, 60) + (1 - glow) * (90, 20, 110)).astype(np.uint8)
    sheet.draw.rectangle((70, 38, 313, 281), _INK)
    sheet.image.paste(Image.fromarray(cover), (72, 40))
    sheet.write(192, 306, "Musa, mihi causas memora", _PLAIN, 19, _PAPER, "ma")
    sheet.write(192, 334, "Regina Dolens", _PLAIN, 14, (180, 170, 190), "ma")
    sheet.draw.rounded_rectangle((36, 376, 348, 380), 2, (80, 75, 90))
    sheet.draw.rounded_rectangle((36, 376, 190, 380), 2, (255, 100, 90))
    sheet.draw.ellipse((183, 371, 197, 385), _PAPER)
    for x, r in ((100, 22), (192, 34), (284, 22)):
        sheet.draw.ellipse((x - r, 446 - r, x + r, 446 + r), (255, 100, 90) if r > 30 else (70, 60, 85))
        sheet.draw.polygon((x - r / 3, 446 - r / 2, x - r / 3, 446 + r / 2, x + r / 2, 446), _PAPER)
    return sheet.pixels


def desktop(photograph: np.ndarray) -> np.ndarray:
    """Windows over a wallpaper of two gradients; icons below."""
    rng, sheet = random("desktop"), Sheet(720, 450, shade((720, 450), (20, 120, 140), (240, 190, 150)))
    for left, top, wide, tall in ((40, 40, 380, 260), (250, 120, 420, 270)):
        sheet.draw.rounded_rectangle((left, top, left + wide, top + tall), 9, (250, 250, 251), (120, 120, 120))
        for k, ink in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
            sheet.draw.ellipse((left + 12 + 20 * k, top + 10, left + 24 + 20 * k, top + 22), ink)
        sheet.write(left + wide / 2, top + 8, prose(rng, _WORDS, 2)[:-1], _PLAIN, 14, (70, 70, 70), "ma")
        sheet.draw.line((left, top + 32, left + wide, top + 32), (215, 215, 215))
        text = prose(rng, _WORDS, 90)
        sheet.paragraph((left + 16, top + 44, left + wide - 16, top + tall - 10), text, _PLAIN, 13, (30, 30, 30))
    sheet.draw.rounded_rectangle((190, 402, 530, 446), 12, (235, 225, 220))
    for k in range(7):
        x, hue = 204 + 46 * k, [int(v) for v in rng.integers(40, 255, 3)]
        sheet.image.paste(shade((34, 34), (hue[0], hue[1], hue[2]), (hue[0] // 2, hue[1] // 2, hue[2] // 2)), (x, 407))
    return sheet.pixels


def calendar(photograph: np.ndarray) -> np.ndarray:
    """A month: thin rules, figures, coloured strips with words."""
    rng, sheet = random("calendar"), Sheet(630, 430, _PAPER)
    inks: tuple[Color, ...] = ((66, 133, 244), (52, 168, 83), (234, 67, 53), (251, 188, 4), (142, 36, 170))
    sheet.write(14, 8, "Martius", _CLEAN, 22, (60, 64, 67))
    for day in range(35):
        x, y = 90 * (day % 7), 40 + 78 * (day // 7)
        sheet.draw.rectangle((x, y, x + 90, y + 78), outline=(218, 220, 224))
        sheet.write(x + 84, y + 3, str(day % 31 + 1), _CLEAN, 14, (112, 117, 122), "ra")
        for k in range(int(rng.integers(0, 4))):
            top = y + 22 + 18 * k
            sheet.draw.rounded_rectangle((x + 3, top, x + 86, top + 15), 3, inks[int(rng.integers(5))])
            sheet.write(x + 8, top + 1, _WORDS[int(rng.integers(12, len(_WORDS)))], _PLAIN, 11, _PAPER)
    return sheet.pixels


def streets(photograph: np.ndarray) -> np.ndarray:
    """A map as on a telephone: streets, a park, a river, names, a route in blue."""
    rng, sheet = random("streets"), Sheet(480, 480, (242, 239, 233))
    sheet.draw.polygon((0, 330, 130, 300, 260, 340, 480, 290, 480, 360, 260, 400, 130, 360, 0, 400), (170, 211, 223))
    sheet.draw.polygon((290, 40, 440, 60, 420, 190, 300, 170), (200, 232, 180))
    for _ in range(9):
        a, b = rng.integers(0, 480, 2)
        for extra, ink in ((2, (205, 200, 195)), (0, _PAPER)):
            sheet.draw.line((0, int(a), 480, int(b)), ink, 9 + extra)
            sheet.draw.line((int(b), 0, int(a), 480), ink, 7 + extra)
    sheet.draw.line((0, 120, 210, 150, 300, 260, 480, 250), (230, 150, 70), 14)
    sheet.draw.line((0, 120, 210, 150, 300, 260, 480, 250), (252, 214, 120), 10)
    sheet.draw.line((90, 470, 140, 250, 300, 220, 330, 60), (40, 110, 255), 6)
    for _ in range(16):
        x, y = rng.integers(20, 430, 2)
        sheet.write(int(x), int(y), _WORDS[int(rng.integers(12, len(_WORDS)))].capitalize(), _PLAIN, 12, (90, 85, 80))
    sheet.draw.ellipse((318, 42, 342, 66), (234, 67, 53), _PAPER, 3)
    return sheet.pixels


def news(photograph: np.ndarray) -> np.ndarray:
    """A front page with a photograph above its columns."""
    from PIL import Image

    rng, sheet = random("news"), Sheet(512, 640, (252, 251, 247))
    sheet.write(256, 14, "ACTA DIURNA", "cmb10", 42, _INK, "ma")
    sheet.draw.line((20, 70, 492, 70), _INK, 2)
    sheet.image.paste(Image.fromarray(photograph[:260, :320]), (20, 84))
    sheet.paragraph((354, 84, 494, 344), prose(rng, _WORDS, 60), _SERIF, 15, (20, 20, 20), 1.15)
    sheet.paragraph((20, 352, 494, 400), prose(rng, _WORDS, 9), "STIXGeneralBol", 24, (150, 0, 0))
    for left in (20, 184, 348):
        sheet.paragraph((left, 408, left + 148, 632), prose(rng, _WORDS, 80), _SERIF, 13, (20, 20, 20), 1.15)
    return sheet.pixels


def _figure(inches: tuple[float, float]) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=inches, dpi=100, layout="constrained", facecolor="#20242c")


def scatter(photograph: np.ndarray) -> np.ndarray:
    """Clouds of dots and a pie, on a dark ground."""
    rng, figure = random("scatter"), _figure((6.4, 3.4))
    left, right = figure.subplots(1, 2)
    left.set_facecolor("#20242c")
    for k, ink in enumerate(("#ff5d5d", "#5dd0ff", "#ffe05d")):
        left.scatter(*(rng.normal(k, 0.7, (2, 70))), s=14, c=ink)
    left.tick_params(colors="white", labelfontfamily="STIXGeneral")
    left.set_title("Litora", color="white", fontfamily="STIXGeneral")
    text = {"fontfamily": "STIXGeneral", "color": "white", "fontsize": 12}
    right.pie(rng.uniform(1, 5, 6), labels=_WORDS[40:46], textprops=text, colors=[f"C{k}" for k in range(4, 10)])
    return painted(figure)


def levels(photograph: np.ndarray) -> np.ndarray:
    """Filled levels with labelled contours over colours of a map, and a bar."""
    import matplotlib

    y, x = np.mgrid[-3:3:90j, -3:3:90j]
    height = np.sin(1.7 * x) * np.cos(1.3 * y) + 0.3 * x
    with matplotlib.rc_context({"font.family": "STIXGeneral"}):
        figure = _figure((4.6, 4.2))
        figure.set_facecolor("white")
        axes = figure.subplots()
        filled = axes.contourf(x, y, height, 12, cmap="terrain")
        axes.clabel(axes.contour(x, y, height, 6, colors="black", linewidths=0.8), fontsize=9)
        figure.colorbar(filled)
        return painted(figure)


def network(photograph: np.ndarray) -> np.ndarray:
    """Numbered discs on a ring, chords between them, thin and thick."""
    rng, sheet = random("network"), Sheet(448, 448, (255, 253, 240))
    centre = [(224 + 178 * math.cos(k * math.pi / 7), 224 + 178 * math.sin(k * math.pi / 7)) for k in range(14)]
    for _ in range(34):
        a, b = rng.integers(0, 14, 2)
        thick = int(rng.integers(1, 4))
        sheet.draw.line((*centre[int(a)], *centre[int(b)]), (120, 120, 120) if thick < 3 else (200, 50, 50), thick)
    for k, (x, y) in enumerate(centre):
        sheet.draw.ellipse((x - 19, y - 19, x + 19, y + 19), (70, 160, 110) if k % 3 else (240, 160, 30), _INK, 2)
        sheet.write(x, y, str(k + 1), _CLEAN, 20, _PAPER, "mm")
    return sheet.pixels


def cartoon(photograph: np.ndarray) -> np.ndarray:
    """A cat and a fish under a speech bubble: ellipses, thick outlines, flat colours."""
    sheet = Sheet(480, 420, (255, 214, 165))
    sheet.draw.rectangle((0, 330, 480, 420), (150, 100, 170))
    sheet.draw.ellipse((70, 170, 270, 390), (120, 120, 130), _INK, 5)
    sheet.draw.polygon((95, 130, 110, 60, 150, 105), (120, 120, 130), _INK, 5)
    sheet.draw.polygon((245, 130, 230, 60, 190, 105), (120, 120, 130), _INK, 5)
    sheet.draw.ellipse((85, 85, 255, 225), (120, 120, 130), _INK, 5)
    for x in (130, 210):
        sheet.draw.ellipse((x - 20, 125, x + 20, 170), (190, 240, 60), _INK, 4)
        sheet.draw.ellipse((x - 5, 130, x + 5, 166), _INK)
    sheet.draw.polygon((160, 180, 180, 180, 170, 192), (255, 130, 150), _INK, 3)
    for k in (-1, 0, 1):
        sheet.draw.line((150, 190 + 6 * k, 60, 185 + 18 * k), _INK, 2)
        sheet.draw.line((190, 190 + 6 * k, 280, 185 + 18 * k), _INK, 2)
    sheet.draw.polygon((430, 345, 470, 320, 470, 375), (255, 120, 40), _INK, 4)
    sheet.draw.ellipse((320, 310, 440, 380), (255, 120, 40), _INK, 4)
    sheet.draw.ellipse((340, 330, 356, 346), _PAPER, _INK, 2)
    sheet.draw.ellipse((270, 20, 470, 120), _PAPER, _INK, 4)
    sheet.write(370, 70, "Da mihi piscem!", _PLAIN, 22, _INK, "mm")
    return sheet.pixels


DRAWINGS = {
    "text": (article, terminal, slide, poster, listing),
    "screen": (player, desktop, calendar, streets, news),
    "chart": (scatter, levels, network, cartoon),
}
"""By kind, as in `training.py`."""
