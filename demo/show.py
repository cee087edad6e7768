"""What the demo prints: a bar, tables and blocks that stand straight with Chinese text in them."""
import shutil
import sys
import time
import unicodedata

BAR_WIDTH = 34
NARROW_STEP_S = 5  # between lines of progress where there is no terminal


def width(text):
    """Columns on a terminal: a Chinese character takes two, a combining one none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text, wanted, right=False):
    blanks = " " * max(0, wanted - width(text))
    return blanks + text if right else text + blanks


def cut(text, most):
    if width(text) <= most:
        return text
    out = ""
    for c in text:
        if width(out + c) > most - 1:
            break
        out += c
    return out + "…"


def table(headings, rows, right=()):
    """Lines of a table; `right`: the columns that are numbers."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(width(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    for number, row in enumerate([headings, *rows]):
        yield "  " + "  ".join(pad(cell, widths[i], i in right) for i, cell in enumerate(row)).rstrip()
        if number == 0:
            yield "  " + "  ".join("─" * c for c in widths)


def columns():
    """Of the terminal; of a file, enough for what is long."""
    return max(60, shutil.get_terminal_size((160, 40)).columns)


def wrap(text, most):
    """Lines of at most so many columns, broken behind a blank where there is one."""
    lines, line = [], ""
    for word in text.replace(" ", " \0").split("\0"):
        while line and width(line + word.rstrip()) > most:
            lines.append(line.rstrip())
            line = ""
        while width(word.rstrip()) > most:  # Chinese text has no blanks
            head = cut(word, most + 1)[:-1]
            lines.append(head)
            word = word[len(head):]
        line += word
    return [*lines, line.rstrip()]


def block(rows):
    """Lines of label and text under each other."""
    labels = max(width(label) for label, _ in rows)
    for label, text in rows:
        for number, line in enumerate(wrap(text, columns() - labels - 6)):
            yield f"    {pad('' if number else label, labels)}  {line}"


def seconds(value):
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


class Bar:
    """Progress on one line of a terminal; elsewhere a line now and then."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.live = self.out.isatty()
        self.next = 0.0
        self.shown = ""

    def update(self, done, total, note, force=False):
        now = time.monotonic()
        if now < self.next and not force:
            return
        self.next = now + (0.1 if self.live else NARROW_STEP_S)
        share = done / total if total else 1
        filled = int(share * BAR_WIDTH)
        text = f"  [{'█' * filled}{'░' * (BAR_WIDTH - filled)}] {100 * share:3.0f} %  {note}"
        if text == self.shown:
            return
        self.shown = text
        if self.live:  # a line that doesn't fit would break
            text = cut(text, shutil.get_terminal_size().columns - 1)
        self.out.write(("\r\033[K" if self.live else "") + text + ("" if self.live else "\n"))
        self.out.flush()

    def end(self):
        if self.live and self.shown:
            self.out.write("\n")
            self.out.flush()
        self.shown = ""
