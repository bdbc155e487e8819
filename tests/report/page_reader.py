"""Read an HTML page the way a browser takes it apart: tags, attributes, tables, articles, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "line", "circle", "path"}


@dataclass
class Article:
    """A question that is shown."""

    heading: str = ""
    text: str = ""
    images: list[dict[str, str]] = field(default_factory=list)


class PageReader(HTMLParser):
    """Everything of a page that tests look at; a tag that is left open or closed twice is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.articles: dict[str, list[Article]] = {}
        self.text = ""
        self.svg_text: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._caption = ""
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, found))
        if tag not in _VOID:
            self._open.append((tag, found))
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in {"td", "th"}:
            self.tables[self._caption][-1].append("")
        elif tag == "article":
            self.articles.setdefault(self._section(), []).append(Article())
        elif tag == "img":
            self.articles[self._section()][-1].images.append(found)
        elif tag == "text":
            self.svg_text.append("")
        if tag == "small" and self._in("td", "th"):
            self.tables[self._caption][-1][-1] += " "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1][0] == tag, f"</{tag}> closes {self._open[-1]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._in("style"):
            return
        self.text += data
        if self._in("caption"):
            self._caption += data
        elif self._in("td", "th"):
            self.tables[self._caption][-1][-1] += data
        elif self._in("text"):
            self.svg_text[-1] += data
        if self._in("article"):
            article = self.articles[self._section()][-1]
            article.text += data
            if self._in("h4") and not self._in("section", inside="article"):
                article.heading += data

    def _in(self, *tags: str, inside: str | None = None) -> bool:
        names = [tag for tag, _ in self._open]
        if inside is not None:
            names = names[names.index(inside) :]
        return bool(set(tags) & set(names))

    def _section(self) -> str:
        return next(found["id"] for tag, found in self._open if tag == "section" and "id" in found)


def cells(table: list[list[str]]) -> dict[str, dict[str, str]]:
    """Row's name -> heading -> cell."""
    heads = table[0][1:]
    return {row[0]: dict(zip(heads, row[1:], strict=True)) for row in table[1:]}
