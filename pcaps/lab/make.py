#!/usr/bin/env python3
"""Makes the sample captures again: `make.py [--out DIR] [SCENARIO...]`, `make.py --list`, `make.py --large DIR`.

A scenario is a function marked with `@scenario(FILE)` in a module `scenarios_*.py` beside this file. It gets the path
of the capture to write, runs real programs in a `Lab`, and returns nothing: the truth file beside the capture is
written from `lab.truth`. Needs root and what install.sh installs.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import scenario as registry  # noqa: E402  (the path has to be set first)


def main():
    options = parse_arguments()
    for module in sorted(HERE.glob("scenarios_*.py")):
        importlib.import_module(module.stem)
    wanted = registry.chosen(options.scenarios, large=options.large is not None)
    if options.list:
        print("\n".join(f"{entry.name:28} {entry.file:36} {entry.about}" for entry in wanted))
        return
    out = Path(options.large or options.out)
    out.mkdir(parents=True, exist_ok=True)
    failed = [entry.name for entry in wanted if not make(entry, out)]
    if failed:
        sys.exit(f"failed: {' '.join(failed)}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="all when none is named")
    parser.add_argument("--out", default=HERE.parent, help="where to write (default: the folder above)")
    parser.add_argument("--large", metavar="DIR", help="make the large captures, which are not kept in the repository")
    parser.add_argument("--list", action="store_true", help="tell what there is")
    return parser.parse_args()


def make(entry, out):
    """Runs one scenario; says what it made, or why not, and goes on."""
    start = time.monotonic()
    try:
        entry.run(out)
    except Exception as error:  # one scenario's failure must not keep the others from being made
        print(f"{entry.name}: FAILED: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{entry.name}: {entry.file} {(out / entry.file).stat().st_size} bytes, {time.monotonic() - start:.1f} s", flush=True)
    return True


if __name__ == "__main__":
    main()
