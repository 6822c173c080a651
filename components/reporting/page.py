"""One self-contained HTML page: facts, tables and SVG figures, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

Cell = str | int | float


@dataclass(frozen=True)
class _Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    marked: Collection[int]


@dataclass(frozen=True)
class _Facts:
    title: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class _Verdict:
    text: str
    reasons: Sequence[str]
    acts: bool


@dataclass(frozen=True)
class _Notes:
    title: str
    texts: Sequence[str]


@dataclass(frozen=True)
class _Figure:
    title: str
    svg: Markup


@dataclass
class Page:
    """A page that is filled from top to bottom.

    A page about synthetic data says so beside its title.
    """

    title: str
    synthetic: bool
    sections: list[tuple[str, object]] = field(default_factory=list)

    def facts(self, facts: Mapping[str, str], title: str = "") -> None:
        """Add names with their values."""
        self.sections.append(("facts", _Facts(title, facts)))

    def verdict(self, text: str, reasons: Sequence[str], *, acts: bool) -> None:
        """Add a decision and what it rests on; ``acts`` sets one that changes something apart."""
        self.sections.append(("verdict", _Verdict(text, reasons, acts)))

    def table(
        self,
        title: str,
        header: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        marked: Collection[int] = (),
    ) -> None:
        """Add a table, some rows marked; left out when it has no rows."""
        if rows:
            self.sections.append(("table", _Table(title, header, rows, marked)))

    def figure(self, title: str, svg: str) -> None:
        """Add a figure that the project drew itself (its SVG is not escaped)."""
        self.sections.append(("figure", _Figure(title, Markup(svg))))

    def figures(self, figures: Sequence[tuple[str, str]]) -> None:
        """Add figures, title and SVG each, side by side where the page is wide enough."""
        drawn = [_Figure(title, Markup(svg)) for title, svg in figures]
        self.sections.append(("figures", drawn))

    def notes(self, title: str, texts: Sequence[str]) -> None:
        """Add a list of sentences; left out when it is empty."""
        if texts:
            self.sections.append(("notes", _Notes(title, texts)))

    def paragraph(self, text: str) -> None:
        """Add a paragraph of text."""
        self.sections.append(("paragraph", text))

    def html(self) -> str:
        """Render the page."""
        environment = Environment(
            loader=PackageLoader("components.reporting"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("page.html").render(page=self)
