#!/usr/bin/env python3
"""Writes the tables of speed in README.md from the files in `benches/results/`;
with --check it only says whether they are up to date."""

import json
import pathlib
import sys

from compare import ROOT, table, title

README = ROOT / "README.md"
BEGIN, END = "<!-- speed: written by benches/readme.py -->\n", "<!-- /speed -->\n"


def tables():
    """One table per file of results."""
    lines = []
    for path in sorted((ROOT / "benches" / "results").glob("*.json")):
        data = json.loads(path.read_text())
        lines += [title(data) + ":", "", *table(data), ""]
    return "\n".join(["", *lines])


def main():
    text = README.read_text()
    before, found, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not found or not end:
        sys.exit(f"README.md lacks the lines\n{BEGIN}{END}between which the tables belong")
    new = before + BEGIN + tables() + END + after
    if "--check" in sys.argv[1:]:
        sys.exit(0 if new == text else "README.md is not what benches/results says: run benches/readme.py")
    README.write_text(new)


if __name__ == "__main__":
    main()
