"""The list of scenarios, filled by the decorator `@scenario`."""

from dataclasses import dataclass
from typing import Callable

ALL = []


@dataclass
class Entry:
    """One capture: its scenario's name, the file it makes, and what it shows."""

    name: str
    file: str
    about: str
    large: bool
    body: Callable

    def run(self, out):
        self.body(out / self.file)


def scenario(file, large=False):
    """Marks a function `(path) -> None` as the maker of `file`; its docstring's first line says what it shows."""
    def mark(function):
        name = file.split(".pcap")[0]
        ALL.append(Entry(name, file, function.__doc__.strip().splitlines()[0], large, function))
        return function
    return mark


def chosen(names, large):
    """The scenarios of these names, or all of the small or the large ones."""
    if not names:
        return [entry for entry in ALL if entry.large == large]
    known = {entry.name: entry for entry in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such scenario: {' '.join(unknown)}")
    return [known[name] for name in names]
