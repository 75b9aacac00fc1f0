"""`make accuracy`: draws scenarios from a seed, plays them, replays what the mirror showed, and scores it.

run.py --program PATCHSPAN [--seed N] [--scale X] [--only NAME,...] [--out DIR] [--keep]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import apt  # noqa: E402
import hard  # noqa: E402
import more  # noqa: E402, F401
import scenarios  # noqa: E402
import told  # noqa: E402
import truth  # noqa: E402
from book import Book  # noqa: E402
from scenarios import Scene  # noqa: E402
from scenarios_http import start_proxy  # noqa: E402
from world import World  # noqa: E402


APT_HOSTS = 3


def main():
    options = arguments()
    book = Book(options.seed)
    chosen = [make for make in scenarios.ALL if wanted(make.__name__, options)]
    scenes = [make(book, options.scale) for make in chosen]
    if wanted("apt", options):
        book.host(apt.ARCHIVE)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with World(book) as world:
        if any("proxy" in scene.options for scene in scenes):
            start_proxy(world)
        if any("own" in scene.options for scene in scenes):
            hard.own_servers(world)
        if wanted("apt", options):
            # Everything is furnished before the first capture, so that no capture shows it.
            systems = apt.prepare(world, APT_HOSTS)
            scenes.append(Scene("apt", [], body=lambda: apt.play(world, systems)))
        for scene in scenes:
            one(world, scene, out, options)
    if wanted("stored", options):
        for capture, log in told.stored(book.rows):
            write(out, f"stored-{capture.name.split('.')[0]}", log, truth.accesses(log))
            replay(options.program, capture, out / f"stored-{capture.name.split('.')[0]}.jsonl")


def wanted(name, options):
    return not options.only or name in options.only.split(",")


def one(world, scene, out, options):
    began = time.monotonic()
    capture = out / f"{scene.name}.pcap"
    with world.capture(capture):
        if "before" in scene.options:
            scene.options["before"](world)
        body = scene.options.get("body")
        log = body() if body else world.play(scene.jobs, scene.concurrency)
    move = None
    if "spread" in scene.options:
        move = hard.moved_by([line["start"] for line in log if line["op"] == "round"], scene.options["spread"])
        hard.spread_out(capture, move)
    if "cut" in scene.options:
        hard.cut_heads(capture, scene.options["cut"])
    failed = [line for line in log if line["op"] == "failed"]
    lines = truth.accesses(log, move)
    write(out, scene.name, log, lines)
    made = time.monotonic() - began
    replay(options.program, capture, out / f"{scene.name}.jsonl", scene.options.get("config"))
    print(f"{scene.name}: {len(scene.jobs)} sessions, {len(lines)} accesses, {len(failed)} failed, "
          f"{capture.stat().st_size // 1000000} MB, {made:.0f} s + {time.monotonic() - began - made:.0f} s", flush=True)
    for line in failed[:3]:
        print("  ", line["error"], flush=True)
    if not options.keep:
        capture.unlink()


def write(out, name, log, lines):
    """The clients' log and the truth that follows from it."""
    for kind, all_lines in (("log", log), ("truth", lines)):
        (out / f"{name}.{kind}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in all_lines))


def replay(program, capture, records, configuration=None):
    command = [program, "replay", "--events", "update,update_session", str(capture)]
    if configuration:
        config = records.with_suffix(".toml")
        config.write_text(configuration)
        command += ["--config", str(config)]
    with open(records, "wb") as file:
        done = subprocess.run(command, stdout=file)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only")
    parser.add_argument("--out", required=True)
    parser.add_argument("--keep", action="store_true", help="keep the captures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
