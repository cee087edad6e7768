"""Throughput and latency against load, as SVG: python3 bench/chart.py RUN.json > FILE.svg

Both panels share the axis of what was offered. Above: what came through, beside what the peers that sync before they answer reach at most.
Below: publish to receipt from the time at which a message was due, so that a queue in front of the bus counts.
"""
import json
import math
import pathlib
import sys
from html import escape

WIDTH, HEIGHT = 860, 700
LEFT, RIGHT = 78, 206
TOP = {"y": 92, "height": 230}
BELOW = {"y": 376, "height": 250}
INK, PALE, GRID = "#1f2933", "#616e7c", "#e4e7eb"
COLOURS = {"bus": "#0b6e4f", "p50_us": "#7fb7be", "p99_us": "#2a6f97", "p999_us": "#012a4a", "peer": "#b23a48", "due": "#d17b0f"}
LABELS = {"p50_us": "p50", "p99_us": "p99", "p999_us": "p99.9"}


def nice_step(most, ticks=6):
    """A round distance between lines: 1, 2 or 5 of a power of ten."""
    rough = most / ticks
    power = 10 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def thousands(value):
    return f"{value / 1000:g} k" if value else "0"


def time_text(us):
    return f"{us / 1000:g} ms" if us >= 1000 else f"{us:g} us"


class Panel:
    """A rectangle with scales; y is linear or logarithmic."""

    def __init__(self, box, most_x, low_y, most_y, logarithmic=False):
        self.y0, self.height = box["y"], box["height"]
        self.most_x, self.low_y, self.most_y, self.logarithmic = most_x, low_y, most_y, logarithmic
        self.parts = []

    def x(self, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x

    def y(self, value):
        if self.logarithmic:
            share = math.log10(max(value, self.low_y) / self.low_y) / math.log10(self.most_y / self.low_y)
        else:
            share = (value - self.low_y) / (self.most_y - self.low_y)
        return self.y0 + self.height * (1 - share)

    def text(self, x, y, text, anchor="start", colour=PALE, size=12, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" '
                          f'font-weight="{weight}" paint-order="stroke" stroke="#ffffff" stroke-width="3">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{dashes}/>')

    def frame(self, title, ticks_y, label_y):
        right = WIDTH - RIGHT
        self.text(LEFT, self.y0 - 12, title, colour=INK, size=13, weight="600")
        for value in ticks_y:
            self.line(LEFT, self.y(value), right, self.y(value))
            self.text(LEFT - 8, self.y(value) + 4, label_y(value), "end")
        step = nice_step(self.most_x)
        for i in range(int(self.most_x / step) + 1):
            self.line(self.x(i * step), self.y0, self.x(i * step), self.y0 + self.height)
            self.text(self.x(i * step), self.y0 + self.height + 18, thousands(i * step), "middle")
        self.line(LEFT, self.y0 + self.height, right, self.y0 + self.height, PALE)

    def curve(self, points, colour, label):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>')
        self.parts += [f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.2" fill="{colour}"/>' for x, y in points]
        if label:
            self.text(self.x(points[-1][0]) + 9, self.y(points[-1][1]) + 4, label, colour=colour, weight="600")


def apart(wanted, distance=15):
    """Heights of labels, moved so that none covers another. In the order of `wanted`."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    placed = list(wanted)
    for before, after in zip(order, order[1:]):
        placed[after] = max(placed[after], placed[before] + distance)
    return placed


def levels(result):
    """Horizontal lines above: who else reaches what at most. (value, words, colour, dash)"""
    found = [(result["workloads"]["w1"]["relay"]["messages_per_s"], "raw relay, nothing on disk", PALE, "2 4")]
    for run in result.get("peers", {}).get("w1", {}).get("results", []):
        if run["syncs"]:
            found.append((run["messages_per_s"], f"{run['version']} {run['mode'] if run['peer'] == 'rabbitmq' else ''}".strip(),
                          COLOURS["peer"], "6 4"))
    return found


def throughput(result, most_x):
    points, marks = result["chart"], levels(result)
    most_y = max([point["messages_per_s"] for point in points] + [value for value, *_ in marks]) * 1.16
    panel = Panel(TOP, most_x, 0, most_y)
    step = nice_step(most_y, 5)
    panel.frame("Through the bus, durable before acknowledged (messages/s)", [i * step for i in range(int(most_y / step) + 1)], thousands)
    right = WIDTH - RIGHT
    heights = apart([panel.y(value) + 4 for value, *_ in marks])
    for (value, words, colour, dash), height in zip(marks, heights):
        panel.line(LEFT, panel.y(value), right, panel.y(value), colour, 1.4, dash)
        panel.text(right + 8, height, f"{words}: {value / 1000:.1f} k", colour=colour, size=11)
    panel.curve([(point["offered"], point["messages_per_s"]) for point in points], COLOURS["bus"], "")
    best = max(points, key=lambda point: point["messages_per_s"])
    panel.text(panel.x(best["offered"]), panel.y(best["messages_per_s"]) - 11, f"Hutong {best['messages_per_s'] / 1000:.0f} k", "end",
               COLOURS["bus"], 13, "600")
    return panel.parts


def latency(result, most_x):
    points = result["chart"]
    values = [point[key] for point in points for key in LABELS]
    low, most = 10 ** math.floor(math.log10(max(min(values), 1))), 10 ** math.ceil(math.log10(max(values)))
    panel = Panel(BELOW, most_x, low, most, True)
    ticks = [10 ** power for power in range(round(math.log10(low)), round(math.log10(most)) + 1)]
    panel.frame("Publish to receipt (logarithmic)", ticks, time_text)
    due = 2 * result["disk"]["sync_64_kib_p99_us"] + 1000
    full = result["workloads"]["w1"]["full"]["messages_per_s"]
    panel.line(LEFT, panel.y(due), panel.x(full * 0.2), panel.y(due), COLOURS["due"], 1.6, "5 3")
    panel.line(panel.x(full * 0.2), panel.y(due) - 6, panel.x(full * 0.2), panel.y(due) + 6, COLOURS["due"], 1.6)
    heights = apart([panel.y(points[-1][key]) + 4 for key in LABELS])
    for key, height in zip(LABELS, heights):
        panel.curve([(point["offered"], point[key]) for point in points], COLOURS[key], "")
        panel.text(panel.x(points[-1]["offered"]) + 9, height, LABELS[key], colour=COLOURS[key], weight="600")
    panel.text(LEFT + 6, panel.y(due) - 6, f"due for p99 at 20 %: {due / 1000:.1f} ms", colour=COLOURS["due"], size=11)
    panel.text((LEFT + WIDTH - RIGHT) / 2, BELOW["y"] + BELOW["height"] + 40, "offered, messages/s", "middle")
    return panel.parts


def draw(result):
    """The whole picture. `result`: what bench/run all --json printed."""
    found = result["conditions"]
    most_x = max(point["offered"] for point in result["chart"]) * 1.02
    head = Panel(TOP, most_x, 0, 1)
    head.text(LEFT, 34, "Hutong under load", colour=INK, size=20, weight="700")
    head.text(LEFT, 56, f"{found['message_bytes']}-byte messages, one publisher, one filter, one receiver; {found['cores']} cores of {found['cpu']}, "
              f"{found['time'][:10]}, revision {found['revision']}", size=12)
    parts = head.parts + throughput(result, most_x) + latency(result, most_x)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="system-ui, -apple-system, Helvetica, Arial, sans-serif">\n<title>Throughput and latency of Hutong against load</title>\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: bench/chart.py RUN.json > FILE.svg")
    print(draw(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))), end="")
