"""Statements on paper: A4, in Latin and Devanagari letters."""

import logging
from pathlib import Path

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from affiliates.selectors.statements import Statement
from loyalty_site.common.money import format_money

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every table that it cuts
_FONTS = Path(__file__).resolve().parent.parent / "fonts"
MOST_LINES = 1_000
_INK, _SOFT, _LINE, _BRAND = (29, 42, 39), (82, 98, 93), (226, 216, 196), (13, 79, 69)
_DEVANAGARI = "\u0900"
_DAY, _MONEY, _ROW = 30, 40, 7


class _Sheet(FPDF):
    """A page with its number below."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(format="A4")
        for family in ("NotoSans", "NotoSansDevanagari"):
            self.add_font(family, fname=_FONTS / f"{family}-Regular.ttf")
            self.add_font(family, style="B", fname=_FONTS / f"{family}-Bold.ttf")
        self.set_fallback_fonts(["NotoSansDevanagari"])
        self.set_title(f"{statement.title}: {statement.name}")
        self.set_creation_date(statement.as_of)  # the same statement gives the same bytes
        self.set_margin(18)
        self.set_auto_page_break(True, margin=22)
        self.alias_nb_pages()

    def footer(self) -> None:
        self.set_y(-16)
        self.write_text(f"{self.page_no()} / {{nb}}", size=8, color=_SOFT, align="R")

    def write_text(
        self,
        text: str,
        *,
        size: float = 10,
        style: str = "",
        color: tuple[int, int, int] = _INK,
        width: float = 0,
        height: float = _ROW,
        align: str = "L",
        stays: bool = False,
    ) -> None:
        """One cell of text; `stays` leaves the next one beside it."""
        self.set_font("NotoSans", style=style, size=size)
        self.set_text_color(*color)
        self.shape_where_needed(text)
        self.cell(
            width,
            height,
            text,
            align=align,
            new_x=XPos.RIGHT if stays else XPos.LMARGIN,
            new_y=YPos.TOP if stays else YPos.NEXT,
        )

    def shape_where_needed(self, text: str) -> None:
        """Letters that join and change places need shaping, which is slow; others do not."""
        self.set_text_shaping(any(sign >= _DEVANAGARI for sign in text))

    def rule(self) -> None:
        self.set_draw_color(*_LINE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())


def statement_pdf(statement: Statement) -> bytes:
    """A statement as a PDF; the same statement gives the same bytes."""
    sheet = _Sheet(statement)
    sheet.add_page()
    sheet.write_text(statement.title, size=20, style="B", color=_BRAND, height=12)
    sheet.write_text(statement.name, size=13, style="B", height=9)
    sheet.ln(2)
    for label, value in statement.facts:
        sheet.write_text(label, color=_SOFT, width=_DAY, height=6, stays=True)
        sheet.write_text(value, height=6)
    sheet.ln(5)
    _write_lines(sheet, statement)
    sheet.ln(3)
    for label, amount in statement.totals:
        is_last = (label, amount) == statement.totals[-1]
        style, size = ("B", 12) if is_last else ("", 10)
        if is_last:
            sheet.rule()
        text = format_money(amount, statement.currency)
        sheet.write_text(label, style=style, size=size, width=sheet.epw - _MONEY, stays=True)
        sheet.write_text(text, style=style, size=size, align="R")
    sheet.ln(4)
    sheet.set_font("NotoSans", size=9)
    sheet.set_text_color(*_SOFT)
    for note in statement.notes:
        sheet.shape_where_needed(note)
        sheet.multi_cell(0, 5, note, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(sheet.output())


def _write_lines(sheet: _Sheet, statement: Statement) -> None:
    middle = sheet.epw - _DAY - _MONEY
    for text, width, align in (
        (_("Day"), _DAY, "L"),
        (_("What"), middle, "L"),
        (_("Amount"), _MONEY, "R"),
    ):
        is_last = align == "R"
        sheet.write_text(text, style="B", size=9, width=width, align=align, stays=not is_last)
    sheet.rule()
    for line in statement.lines[:MOST_LINES]:
        sheet.write_text(date_format(line.on, "j M Y"), width=_DAY, stays=True, size=9)
        sheet.write_text(_fitting(sheet, line.text, middle), width=middle, stays=True, size=9)
        money = format_money(line.amount, statement.currency)
        sheet.write_text(money, width=_MONEY, align="R", size=9)
        sheet.rule()
    more = len(statement.lines) - MOST_LINES
    if more > 0:
        sheet.write_text(_("%(more)s more lines stand in the CSV.") % {"more": more}, color=_SOFT)
    if not statement.lines:
        sheet.write_text(_("Nothing in this time."), color=_SOFT)


def _fitting(sheet: _Sheet, text: str, width: float) -> str:
    """The text, or as much of it as stands in one line."""
    sheet.set_font("NotoSans", size=9)
    sheet.shape_where_needed(text)
    if sheet.get_string_width(text) <= width - 2:
        return text
    while text and sheet.get_string_width(f"{text}…") > width - 2:
        text = text[:-1]
    return f"{text}…"
