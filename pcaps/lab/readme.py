#!/usr/bin/env python3
"""Writes the table of captures in the README above, from the truth files, so that it cannot fall behind them."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
README = FOLDER / "README.md"
BEGIN = "<!-- table: written by lab/readme.py -->"
END = "<!-- end of table -->"


def main():
    rows = ["| capture | bytes | what it shows | made with |", "|---|---:|---|---|"]
    rows += [row(path) for path in sorted(FOLDER.glob("*.truth.json"))]
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + after)


def row(path):
    truth = json.loads(path.read_text())
    capture = FOLDER / truth["capture"]
    programs = ", ".join(program(name, text) for name, text in truth["programs"].items() if text)
    return f"| `{truth['capture']}` | {capture.stat().st_size:,} | {truth['about']} | {programs} |"


def program(name, text):
    """A program and its version number, out of whatever line it prints about itself."""
    words = text.replace("/", " ").replace(",", " ").split()
    number = next((word.strip("v()") for word in words if word.strip("v()")[:1].isdigit()), "")
    return f"{name} {number}".strip()


if __name__ == "__main__":
    main()
