"""Plain documents as PDF: a title, facts, tables."""

from collections.abc import Iterable, Sequence

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout

MARGIN = 20  # mm
SOFT, INK = (95, 105, 125), (26, 34, 51)


class Document(FPDF):
    """A4 with our name at the head and page numbers at the foot.

    The fonts are those that every reader has, which know the Latin alphabets of the west; other letters are shown as "?".
    """

    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        self.set_title(title)
        self.set_creator("BubblyPhone Agents")
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, MARGIN)
        self.alias_nb_pages()
        self.add_page()
        self._write(title, size=18, style="B", after=4)

    def normalize_text(self, text: str) -> str:
        """fpdf2 asks this of every text."""
        return super().normalize_text(text.encode("latin-1", "replace").decode("latin-1"))

    def header(self) -> None:
        self._write("BubblyPhone Agents", size=9, style="B", color=SOFT, after=8)

    def footer(self) -> None:
        self.set_y(-MARGIN + 6)
        self.set_font("Helvetica", size=8)
        self.set_text_color(*SOFT)
        self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align=Align.R)

    def heading(self, text: str) -> None:
        """The title of what follows."""
        self._write(text, size=12, style="B", before=5, after=2)

    def note(self, text: str) -> None:
        """A sentence in small type."""
        self._write(text, size=9, color=SOFT, after=3)

    def rows(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[int]) -> None:
        """A table; its last column holds amounts. `widths` are shares."""
        self.set_font("Helvetica", size=9)
        self.set_text_color(*INK)
        align = (*(Align.L,) * (len(head) - 1), Align.R)
        layout = TableBordersLayout.HORIZONTAL_LINES
        with self.table(
            col_widths=tuple(widths), text_align=align, borders_layout=layout, line_height=6, padding=0.5
        ) as table:
            for row in ([head], rows):
                for cells in row:
                    table.row(cells)

    def as_bytes(self) -> bytes:
        """The finished file."""
        return bytes(self.output())

    def _write(
        self,
        text: str,
        *,
        size: float,
        style: str = "",
        color: tuple[int, int, int] = INK,
        before: float = 0,
        after: float = 0,
    ) -> None:
        self.ln(before)
        self.set_font("Helvetica", style, size)
        self.set_text_color(*color)
        self.multi_cell(0, size * 0.5, text, new_x="LMARGIN", new_y="NEXT")
        self.ln(after)
