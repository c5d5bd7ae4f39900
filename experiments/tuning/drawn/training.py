"""Text, screens, charts and drawings that the search may see. Fonts: DejaVu; words: English. `apart.py` shares none of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ink import Color, Sheet, painted, prose, random, shade, width

__all__ = ["DRAWINGS", "REAL"]

REAL = (
    "osbooks-introduction-phi_65a8294bc0.avif",
    "osbooks-world-history_b009726d6e.avif",
    "osbooks-astronomy_c3d552005c.avif",
)
"""Drawings of the training packs: a cartoon, a labelled section, a map."""

_TEXT = (
    "the a of and to in is harbour signal winter engine river table copper market letter garden window morning paper stone "
    "between carries without seven bright road under follows measured quickly north station answer water bridge field open "
    "quiet history number machine glass before would during evening island light village present doctor square"
)
_WORDS = tuple(_TEXT.split())
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_SANS, _BOLD, _SERIF, _MONO = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono"


def page(photograph: np.ndarray) -> np.ndarray:
    """A book's page: black serifs on white, a heading."""
    rng, sheet = random("page"), Sheet(448, 576, _WHITE)
    sheet.write(40, 36, "4  The harbour in winter", "DejaVuSerif-Bold", 20, _BLACK)
    y = 80
    for length in (60, 45, 70, 40):
        y = 8 + sheet.paragraph((40, y, 410, 540), prose(rng, _WORDS, length), _SERIF, 13, _BLACK)
    return sheet.pixels


def sizes(photograph: np.ndarray) -> np.ndarray:
    """Lines of growing size without anti-aliasing, black on white above white on black."""
    rng, sheet = random("sizes"), Sheet(512, 384, _WHITE, "hard")
    sheet.draw.rectangle((0, 192, 512, 384), _BLACK)
    for top, ink in ((6, _BLACK), (200, _WHITE)):
        y = top
        for size in (9, 10, 12, 14, 18, 24, 32):
            sheet.write(12, y, prose(rng, _WORDS, 14), _SANS, size, ink)
            y += round(1.3 * size) + 2
    return sheet.pixels


def editor(photograph: np.ndarray) -> np.ndarray:
    """Code with coloured words on a dark ground."""
    rng, sheet = random("editor"), Sheet(560, 416, (30, 30, 30))
    inks = ((86, 156, 214), (206, 145, 120), (220, 220, 170), (212, 212, 212), (106, 153, 85), (197, 134, 192))
    sheet.draw.rectangle((0, 0, 42, 416), (37, 37, 38))
    for row in range(24):
        y = 8 + 17 * row
        sheet.write(34, y, str(row + 41), _MONO, 12, (133, 133, 133), "ra")
        x = 52 + 32 * int(rng.integers(4))
        for _ in range(int(rng.integers(0, 8))):
            word = _WORDS[int(rng.integers(len(_WORDS)))] + ("", "(", ")", ":", " =", ".", ",")[int(rng.integers(7))]
            sheet.write(x, y, word, _MONO, 13, inks[int(rng.integers(6))])
            x += width(word + " ", _MONO, 13)
    return sheet.pixels


def colours(photograph: np.ndarray) -> np.ndarray:
    """Saturated words on saturated grounds, small and large."""
    rng, sheet = random("colours"), Sheet(480, 480, _WHITE)
    pairs: tuple[tuple[Color, Color], ...] = (
        ((255, 0, 0), (255, 255, 255)), ((255, 255, 255), (220, 0, 0)), ((0, 0, 255), (255, 255, 0)), ((255, 0, 0), (0, 0, 160)),
        ((0, 128, 0), (255, 255, 255)), ((0, 255, 255), (0, 0, 0)), ((255, 0, 255), (30, 30, 60)), ((255, 220, 0), (0, 110, 60)),
    )  # fmt: skip
    for i, (ink, ground) in enumerate(pairs):
        left, top = 240 * (i % 2), 120 * (i // 2)
        sheet.draw.rectangle((left, top, left + 240, top + 120), ground)
        sheet.write(left + 10, top + 8, _WORDS[int(rng.integers(7, len(_WORDS)))].upper(), _BOLD, 30, ink)
        sheet.paragraph((left + 10, top + 50, left + 232, top + 116), prose(rng, _WORDS, 40), _SANS, 12, ink)
    return sheet.pixels


def subpixel(photograph: np.ndarray) -> np.ndarray:
    """A letter on a screen of liquid crystals: coloured fringes at every stem."""
    rng, sheet = random("subpixel"), Sheet(416, 320, (246, 246, 244), "lcd")
    sheet.write(16, 12, "Re: window and table", _BOLD, 15, (20, 20, 20))
    sheet.write(16, 34, "harbour@station.example", _SANS, 11, (0, 90, 180))
    y = 60
    for length in (34, 28, 30):
        y = 6 + sheet.paragraph((16, y, 402, 316), prose(rng, _WORDS, length), _SANS, 12, (25, 25, 25))
    return sheet.pixels


def _button(sheet: Sheet, x: int, y: int, label: str, top: Color, bottom: Color, ink: Color) -> None:
    size = (max(84, width(label, _SANS, 13) + 24), 28)
    sheet.image.paste(shade(size, top, bottom), (x, y))
    sheet.draw.rounded_rectangle((x, y, x + size[0], y + size[1]), 4, outline=tuple(c // 2 for c in bottom))
    sheet.write(x + size[0] / 2, y + size[1] / 2, label, _SANS, 13, ink, "mm")


def dialog(photograph: np.ndarray) -> np.ndarray:
    """A form: title bar, fields, boxes to tick, buttons with gradients."""
    sheet = Sheet(512, 400, (236, 236, 236))
    sheet.image.paste(shade((512, 30), (90, 140, 210), (40, 80, 150)))
    sheet.write(12, 7, "Preferences", _BOLD, 13, _WHITE)
    for i, (label, value) in enumerate(
        (("Name", "Copper market"), ("Folder", "/station/north"), ("Signal", "seven"), ("Server", "river.example"))
    ):
        y = 50 + 38 * i
        sheet.write(110, y + 5, label, _SANS, 13, _BLACK, "ra")
        sheet.draw.rectangle((122, y, 480, y + 26), _WHITE, (150, 150, 150))
        sheet.write(130, y + 5, value, _SANS, 13, (30, 30, 30))
    for i, label in enumerate(("Open before the evening", "Follow every answer", "Present without history")):
        y = 216 + 28 * i
        sheet.draw.rectangle((122, y, 136, y + 14), (38, 120, 220) if i != 1 else _WHITE, (110, 110, 110))
        if i != 1:
            sheet.draw.line((125, y + 7, 128, y + 11, 134, y + 3), _WHITE, 2)
        sheet.write(146, y, label, _SANS, 12, _BLACK)
    sheet.draw.rectangle((122, 308, 480, 322), (215, 215, 215), (160, 160, 160))
    sheet.image.paste(shade((210, 13), (140, 230, 120), (40, 160, 40)), (123, 309))
    _button(sheet, 190, 350, "Help", (250, 250, 250), (205, 205, 205), _BLACK)
    _button(sheet, 290, 350, "Cancel", (255, 140, 120), (200, 40, 30), _WHITE)
    _button(sheet, 390, 350, "Apply", (110, 170, 250), (30, 90, 210), _WHITE)
    return sheet.pixels


def table(photograph: np.ndarray) -> np.ndarray:
    """A spreadsheet: rules, headers, figures, a chosen cell, negative numbers in red."""
    rng, sheet = random("table"), Sheet(640, 400, _WHITE)
    sheet.draw.rectangle((0, 0, 640, 20), (230, 234, 240))
    for column in range(9):
        sheet.write(44 + 74 * column + 37, 3, "ABCDEFGHI"[column], _SANS, 12, (70, 70, 70), "ma")
    for row in range(19):
        y = 20 + 20 * row
        sheet.draw.rectangle((0, y, 44, y + 20), (230, 234, 240))
        sheet.write(38, y + 3, str(row + 1), _SANS, 11, (70, 70, 70), "ra")
        for column in range(8):
            if column == 0:
                sheet.write(50, y + 3, _WORDS[7 + (3 * row) % 40], _SANS, 12, _BLACK)
            elif rng.random() < 0.85:
                value = rng.normal(400, 500)
                ink = (200, 0, 0) if value < 0 else _BLACK
                sheet.write(114 + 74 * column, y + 3, f"{value:,.2f}", _SANS, 12, ink, "ra")
    for k in range(20):
        sheet.draw.line((0, 20 + 20 * k, 640, 20 + 20 * k), (200, 200, 200))
        sheet.draw.line((44 + 74 * k, 0, 44 + 74 * k, 400), (200, 200, 200))
    sheet.draw.rectangle((192, 120, 266, 140), outline=(20, 120, 70), width=2)
    return sheet.pixels


def talk(photograph: np.ndarray) -> np.ndarray:
    """A telephone's screen: bubbles of a talk over a pale gradient."""
    rng, sheet = random("talk"), Sheet(320, 560, shade((320, 560), (222, 240, 235), (190, 215, 235)))
    sheet.draw.rectangle((0, 0, 320, 52), (7, 94, 84))
    sheet.draw.ellipse((10, 12, 40, 42), (240, 180, 60))
    sheet.write(50, 18, "Garden village", _BOLD, 14, _WHITE)
    y = 66
    for i in range(7):
        text, mine = prose(rng, _WORDS, int(rng.integers(4, 18))), i % 2
        left = 70 if mine else 12
        probe = Sheet(320, 560, _WHITE).paragraph((left + 10, y + 8, left + 226, 550), text, _SANS, 12, _BLACK)
        sheet.draw.rounded_rectangle((left, y, left + 236, probe + 6), 10, (220, 248, 198) if mine else _WHITE)
        sheet.paragraph((left + 10, y + 8, left + 226, 550), text, _SANS, 12, (20, 20, 20))
        y = probe + 16
    return sheet.pixels


def board(photograph: np.ndarray) -> np.ndarray:
    """A dashboard in the dark: cards, figures, small curves, bars."""
    rng, sheet = random("board"), Sheet(640, 384, (17, 24, 39))
    inks: tuple[Color, ...] = (
        (96, 165, 250),
        (52, 211, 153),
        (251, 191, 36),
        (248, 113, 113),
        (167, 139, 250),
        (45, 212, 191),
    )
    for i in range(6):
        left, top = 14 + 208 * (i % 3), 14 + 184 * (i // 3)
        sheet.draw.rounded_rectangle((left, top, left + 196, top + 172), 8, (31, 41, 55))
        sheet.write(left + 12, top + 10, _WORDS[10 + i].capitalize(), _SANS, 12, (156, 163, 175))
        sheet.write(left + 12, top + 28, f"{rng.integers(100, 9999):,}", _BOLD, 24, (243, 244, 246))
        if i % 2:
            for k, height in enumerate(rng.integers(10, 80, 14)):
                sheet.draw.rectangle((left + 12 + 12 * k, top + 160 - height, left + 20 + 12 * k, top + 160), inks[i])
        else:
            levels = 120 + 14 * np.cumsum(rng.normal(0, 0.5, 24))
            points = [(left + 12 + 7.4 * k, top + float(np.clip(v, 70, 160))) for k, v in enumerate(levels)]
            sheet.draw.line(points, inks[i], 2)
    return sheet.pixels


def web(photograph: np.ndarray) -> np.ndarray:
    """A web page with a photograph beside its text."""
    from PIL import Image

    rng, sheet = random("web"), Sheet(640, 480, _WHITE)
    sheet.draw.rectangle((0, 0, 640, 44), (28, 60, 110))
    for i, label in enumerate(("Morning", "Market", "History", "Letters")):
        sheet.write(20 + 110 * i, 14, label, _BOLD, 14, _WHITE)
    sheet.write(20, 60, "Seven bridges open in the north", _BOLD, 22, (20, 20, 20))
    sheet.image.paste(Image.fromarray(photograph[:288, :320]), (20, 100))
    sheet.paragraph((20, 396, 340, 474), prose(rng, _WORDS, 30), "DejaVuSans-Oblique", 11, (110, 110, 110))
    y = 100
    for _ in range(3):
        y = 8 + sheet.paragraph((356, y, 624, 420), prose(rng, _WORDS, 36), _SANS, 13, (34, 34, 34))
    _button(sheet, 356, 436, "Read the answer", (255, 180, 60), (230, 120, 0), _BLACK)
    return sheet.pixels


def _figure(inches: tuple[float, float]) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=inches, dpi=100, layout="tight")


def lines(photograph: np.ndarray) -> np.ndarray:
    """Curves on a grid with a legend."""
    rng, figure = random("lines"), _figure((5.6, 4.0))
    axes = figure.subplots()
    for k in range(4):
        axes.plot(np.cumsum(rng.normal(0.2, 1, 60)), label=_WORDS[20 + k], marker="os^"[k % 3] if k < 2 else None)
    axes.set(title="Copper, by evening", xlabel="station", ylabel="signal")
    axes.grid(alpha=0.4)
    axes.legend()
    return painted(figure)


def bars(photograph: np.ndarray) -> np.ndarray:
    """Stacked bars with hatching and numbers."""
    rng, figure = random("bars"), _figure((4.8, 4.0))
    axes, base = figure.subplots(), np.zeros(7)
    for k, hatch in enumerate(("", "//", "..")):
        height = rng.uniform(2, 9, 7)
        axes.bar(
            [w[:5] for w in _WORDS[8:15]], height, bottom=base, label=_WORDS[30 + k], hatch=hatch, edgecolor="black"
        )
        base += height
    for i, top in enumerate(base):
        axes.text(i, top + 0.3, f"{top:.1f}", ha="center", fontsize=9)
    axes.set_title("Letters under the bridge")
    axes.legend(loc="lower right")
    return painted(figure)


def flow(photograph: np.ndarray) -> np.ndarray:
    """Boxes and arrows."""
    sheet = Sheet(520, 400, _WHITE)
    fills: tuple[Color, ...] = ((218, 232, 252), (213, 232, 212), (255, 242, 204), (248, 206, 204))
    for i in range(9):
        left, top = 20 + 170 * (i % 3), 24 + 128 * (i // 3)
        if i % 3 < 2:
            sheet.draw.line((left + 130, top + 35, left + 168, top + 35), _BLACK, 2)
            sheet.draw.polygon((left + 170, top + 35, left + 160, top + 30, left + 160, top + 40), _BLACK)
        if i < 6:
            sheet.draw.line((left + 65, top + 70, left + 65, top + 126), (90, 90, 90), 1)
        shape = sheet.draw.rectangle if i % 2 else sheet.draw.ellipse
        shape((left, top, left + 130, top + 70), fills[i % 4], (80, 110, 160), 2)
        sheet.write(left + 65, top + 35, _WORDS[7 + 4 * i], _SANS, 14, _BLACK, "mm")
    return sheet.pixels


def landscape(photograph: np.ndarray) -> np.ndarray:
    """A cartoon of hills, a house, a sun and trees: flat colours, black outlines."""
    sheet = Sheet(512, 384, (135, 206, 250))
    sheet.draw.ellipse((390, 30, 470, 110), (255, 221, 51), _BLACK, 3)
    for left, ink in ((-120, (60, 170, 80)), (140, (90, 200, 90)), (330, (40, 140, 70))):
        sheet.draw.ellipse((left, 200, left + 360, 560), ink, _BLACK, 3)
    sheet.draw.rectangle((180, 190, 290, 290), (240, 90, 70), _BLACK, 3)
    sheet.draw.polygon((165, 190, 235, 130, 305, 190), (130, 50, 40), _BLACK, 3)
    sheet.draw.rectangle((220, 235, 250, 290), (110, 70, 40), _BLACK, 3)
    for x in (190, 262):
        sheet.draw.rectangle((x, 205, x + 20, 227), (250, 240, 170), _BLACK, 2)
    for x, y in ((60, 250), (360, 270), (440, 240), (110, 300)):
        sheet.draw.rectangle((x - 6, y, x + 6, y + 40), (120, 80, 40), _BLACK, 2)
        sheet.draw.ellipse((x - 28, y - 50, x + 28, y + 8), (20, 130, 60), _BLACK, 3)
    for x, y in ((60, 60), (220, 40)):
        for k in range(3):
            sheet.draw.ellipse((x + 26 * k, y - 10 * (k % 2), x + 26 * k + 44, y + 30), _WHITE)
    return sheet.pixels


DRAWINGS = {
    "text": (page, sizes, editor, colours, subpixel),
    "screen": (dialog, table, talk, board, web),
    "chart": (lines, bars, flow, landscape),
}
"""By kind. Each takes a photograph, uint8 [H, W, 3], of the side it belongs to, and makes a picture."""
