#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs coproc_scaling, draws its figures, and writes the README's table of ratios.

  plot.py --run build/bench/tests/bench/coproc_scaling --save scaling.txt   measures each point, in several rounds
  plot.py --read scaling.txt --svg scaling.svg                              draws what was saved
  plot.py --table results.json --readme README.md                           puts a table between its markers

tests/bench/redraw does all of it. The results.json is that of a comparison with other libraries: for each workload and
each library a list of samples with a value and a round, among them those of `raw`, which is written by hand.
"""
import argparse
import json
import statistics
import subprocess
import sys

POINTS = (1, 10, 100, 1000, 3000, 10000)
CHILDREN = 4000  # for `loops`


# ---- measuring ----


def run(program, rounds):
    """The lines of all points, round by round, so that a disturbance does not hit one point alone."""
    lines = []
    for number in range(rounds):
        jobs = [(what, n) for n in POINTS for what in ("alive", "idle")] + [("loops", CHILDREN)]
        for what, n in jobs:
            done = subprocess.run([program, what, str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if done.returncode == 69:
                print(f"{what} {n} is left out: {done.stderr.strip()}", file=sys.stderr)
            elif done.returncode != 0:
                sys.exit(f"{what} {n}: {done.stderr.strip() or done.returncode}")
            else:
                lines.append(done.stdout.strip())
                print(f"{number + 1}/{rounds} {lines[-1]}", file=sys.stderr)
    return lines


def samples(lines):
    """{"alive": {10: {"value": [97.1, 96.8], "by_hand": [...]}}}: what was measured at each point."""
    found = {}
    for line in lines:
        what, value, _unit, *fields = line.split()
        fields = {key: float(number) for key, number in (f.split("=") for f in fields)}
        point = found.setdefault(what, {}).setdefault(int(fields.pop(what, 0)), {})
        for key, number in {"value": float(value), **fields}.items():
            point.setdefault(key, []).append(number)
    return found


# ---- drawing ----

STYLE = """
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328; }
  .title { font-size: 13.5px; font-weight: 600; }
  .small { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .axis { stroke: #59636e; stroke-width: 1; }
  .ours { stroke: #0969da; fill: none; stroke-width: 2.2; stroke-linejoin: round; }
  .hand { stroke: #818b98; fill: none; stroke-width: 1.6; stroke-dasharray: 5 3.5; stroke-linejoin: round; }
  .range { stroke-width: 1.2; stroke-dasharray: none; }
  .dot { fill: #0969da; stroke: none; } .handdot { fill: #818b98; stroke: none; }
  .bar { fill: #0969da; } .handbar { fill: #c4cad1; }
  .ourslabel { fill: #0969da; font-weight: 600; } .handlabel { fill: #59636e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .small, .handlabel { fill: #9198a1; }
    .grid { stroke: #2f3742; } .axis { stroke: #9198a1; }
    .ours { stroke: #4493f8; } .dot, .bar, .ourslabel { fill: #4493f8; }
    .hand { stroke: #7d8590; } .handdot { fill: #7d8590; } .handbar { fill: #4a525c; }
  }
"""

WIDTH, HEIGHT = 960, 312
TOP, BOTTOM = 74, 258  # of a panel's plane


class Panel:
    """A plane with axes. x and y answer where a number is on it."""

    def __init__(self, left, right, title, subtitle, highest):
        self.left, self.right = left, right
        self.step = nice_step(highest)
        self.top = self.step * -(-highest // self.step)
        self.out = [text(left - 40, 20, title, "title"), text(left - 40, 38, subtitle, "small")]
        value = 0
        while value <= self.top * 1.0001:
            y = self.y(value)
            self.out.append(line(left, y, right, y, "axis" if value == 0 else "grid"))
            self.out.append(text(left - 7, y + 4, f"{value:,.10g}", "small", "end"))
            value += self.step

    def y(self, value):
        return BOTTOM - (BOTTOM - TOP) * value / self.top

    def label(self, x, y):
        self.out.append(text((self.left + self.right) / 2, BOTTOM + 40, x, "small", "middle"))
        self.out.append(text(self.left - 40, TOP - 13, y, "small"))


def nice_step(highest):
    """So that there are three to six lines."""
    size = 1e-3
    while True:
        for step in (1, 2, 5):
            if highest / (step * size) <= 5:
                return step * size
        size *= 10


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{words}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def curve(panel, points, key, kind):
    """Medians, joined; a thin upright for the range of the rounds."""
    from math import log10

    # A little in from the axis, over four decades.
    where = lambda n: panel.left + 10 + (panel.right - panel.left - 20) * log10(n) / 4
    middle = [(where(n), panel.y(statistics.median(p[key]))) for n, p in sorted(points.items()) if key in p]
    for n, p in points.items():
        if key in p:
            panel.out.append(line(where(n), panel.y(min(p[key])), where(n), panel.y(max(p[key])), f"{kind} range"))
    panel.out.append(f'<polyline class="{kind}" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in middle) + '"/>')
    dot = "dot" if kind == "ours" else "handdot"
    panel.out += [f'<circle class="{dot}" cx="{x:.1f}" cy="{y:.1f}" r="{3 if kind == "ours" else 2.2}"/>' for x, y in middle]
    if key == "value":
        for n in (1, 10, 100, 1000, 10000):
            panel.out.append(line(where(n), BOTTOM, where(n), BOTTOM + 5, "axis"))
            panel.out.append(text(where(n), BOTTOM + 20, f"{n:,}", "small", "middle"))


def all_of(points, key):
    return [number for p in points.values() for number in p.get(key, [])]


def alive_panel(points):
    memory = [statistics.median(p["bytes_each"]) for p in points.values() if max(p.get("bytes_each", [0])) > 0]
    sizes = sorted({f"{bytes_each / 1024:.1f}" for bytes_each in memory})
    heap = " to ".join(sizes[:1] + sizes[1:][-1:]) + " KiB of heap a child" if sizes else ""
    panel = Panel(50, 340, "One more child, beside many", heap, max(all_of(points, "value") + all_of(points, "by_hand")))
    panel.label("children alive, each of them awaited", "µs from its start to its end")
    curve(panel, points, "by_hand", "hand")
    curve(panel, points, "value", "ours")
    legend(panel, panel.left + 14, TOP + 14)
    return panel.out


def legend(panel, x, y):
    panel.out += [line(x, y, x + 22, y, "ours"), text(x + 29, y + 4, "coproc", "ourslabel")]
    panel.out += [line(x, y + 18, x + 22, y + 18, "hand"), text(x + 29, y + 22, "posix_spawn, waitpid", "handlabel")]


def idle_panel(points):
    panel = Panel(400, 690, "A turn of the loop, among silent pipes", "one byte there, one coroutine resumed",
                  max(all_of(points, "value")))
    panel.label("other pipes that are waited for", "µs a turn")
    curve(panel, points, "value", "ours")
    return panel.out


def loops_panel(points):
    p = next(iter(points.values()))
    middle = {key: statistics.median(numbers) for key, numbers in p.items()}
    panel = Panel(755, 950, "Two loops on two threads", f"{middle['value']:.2f} times as many children as one",
                  max(v for k, v in middle.items() if k != "value") * 1.1 / 1000)
    panel.label("", "thousand children a second")
    for at, key, kind in ((8, "one", "bar"), (48, "by_hand_one", "handbar"), (110, "two", "bar"), (150, "by_hand_two", "handbar")):
        height = panel.y(0) - panel.y(middle[key] / 1000)
        x = panel.left + at
        panel.out.append(f'<rect class="{kind}" x="{x}" y="{BOTTOM - height:.1f}" width="36" height="{height:.1f}"/>')
        panel.out.append(text(x + 18, BOTTOM - height - 5, f"{middle[key] / 1000:.1f}", "small", "middle"))
    for at, words in ((46, "one thread"), (148, "two threads")):
        panel.out.append(text(panel.left + at, BOTTOM + 20, words, "small", "middle"))
    return panel.out


def draw(lines):
    found = samples(lines)
    parts = []
    for what, panel in (("alive", alive_panel), ("idle", idle_panel), ("loops", loops_panel)):
        if what in found:
            parts += panel(found[what])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="How coproc scales">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n")


# ---- the table ----

WORKLOADS = {
    "spawn_seq": "start and await, one after the other",
    "spawn_capture": "the same and read the output",
    "spawn_par": "64 at a time",
    "spawn_rss_1024": "from a parent of 1 GiB",
    "spawn_rss_4096": "from a parent of 4 GiB",
    "many": "1,000 alive with three pipes each",
    "bytes": "read in chunks",
    "lines": "read lines of 64 bytes",
    "write": "write",
    "pingpong": "a line there and back",
    "wait_timeout": "a timeout, kill and reap",
    "spawn_seq_1cpu": "start and await, on one CPU",
    "spawn_capture_1cpu": "and read the output, on one CPU",
    "pingpong_1cpu": "a line there and back, on one CPU",
    "lines_1cpu": "read lines, on one CPU",
}
LOW_IS_GOOD = ("many", "wait_timeout")
LIBRARIES = {"libuv": "libuv", "boost_v2": "Boost v2", "glib": "GLib", "qt": "Qt", "python": "Python",
             "node": "Node", "tokio": "tokio", "go": "Go"}


def ratio(workload, mine, raw):
    """The median over the rounds of what is reached of `raw` in the same round; above 1 is better."""
    base = {sample["round"]: sample["value"] for sample in raw}
    of_rounds = [sample["value"] / base[sample["round"]] for sample in mine if base.get(sample["round"])]
    if not of_rounds:
        return None
    middle = statistics.median(of_rounds)
    return 1 / middle if workload in LOW_IS_GOOD else middle


def table(results):
    about = results.get("about", {})
    results = results["results"]
    names = {"ours": "coproc", "coproc": "coproc"} # and variants of it, such as with socket pairs
    names |= {key: f"coproc, {key}" for key, words in about.items() if "--ours" in words and key not in ("ours", "coproc")}
    names |= LIBRARIES
    libraries = {key: name for key, name in names.items() if any(key in peers for peers in results.values())}
    rows = ["| | " + " | ".join(libraries.values()) + " |", "|---|" + "---:|" * len(libraries)]
    for workload, words in WORKLOADS.items():
        peers = results.get(workload, {})
        ratios = {key: ratio(workload, peers.get(key, []), peers.get("raw", [])) for key in libraries}
        if all(r is None for r in ratios.values()):
            continue
        best = max(r for r in ratios.values() if r is not None)
        cells = []
        for r in ratios.values():
            number = "" if r is None else f"{r:.2f}" if r >= 0.095 else f"{r:.3f}"
            cells.append(f"**{number}**" if r == best else number)
        rows.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def put_between_markers(path, name, new):
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    head, found, rest = whole.partition(begin)
    old, found_too, tail = rest.partition(end)
    if not (found and found_too):
        sys.exit(f"{path} has no {begin.strip()} … {end.strip()}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + new + end + tail)


# ---- all of it ----


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", metavar="PROGRAM", help="coproc_scaling, to be measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--read", metavar="FILE", help="figures that were saved, in place of --run")
    parser.add_argument("--save", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE")
    parser.add_argument("--table", metavar="JSON", help="a comparison with other libraries")
    parser.add_argument("--readme", metavar="FILE", help="where the table goes; without it, to stdout")
    given = parser.parse_args()

    lines = run(given.run, given.rounds) if given.run else []
    if given.read:
        with open(given.read, encoding="utf-8") as file:
            lines = file.read().splitlines()
    if given.save:
        with open(given.save, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    if given.svg and lines:
        with open(given.svg, "w", encoding="utf-8") as file:
            file.write(draw(lines))
    if given.table:
        with open(given.table, encoding="utf-8") as file:
            new = table(json.load(file))
        if given.readme:
            put_between_markers(given.readme, "ratios", new)
        else:
            print(new, end="")


if __name__ == "__main__":
    main()
