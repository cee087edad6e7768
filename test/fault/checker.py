"""Judges a history: what the broker accepted against the effects that followed.

Every accepted message has its effect, none has two, and the effects of one subject are in the order in which they were
published. A message that was never acknowledged may have an effect or not.
"""
import pathlib


def read_pairs(path, columns):
    """(subject, number) of each whole line."""
    path = pathlib.Path(path)
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [(fields[-2], int(fields[-1])) for fields in (line.split() for line in lines) if len(fields) == columns]


def read_accepted(path):
    """A publisher's log: "SUBJECT NUMBER"."""
    return read_pairs(path, 2)


def read_effects(path):
    """The receiver's log: "POSITION SUBJECT NUMBER"."""
    return read_pairs(path, 3)


def check(accepted, effects):
    """{"accepted", "effects": how many; "lost", "twice", "swapped": lists of (subject, number), empty when all is right}."""
    times = {}
    last = {}
    twice, swapped = [], []
    for message in effects:
        times[message] = times.get(message, 0) + 1
        if times[message] > 1:
            twice.append(message)
            continue
        subject, number = message
        if number < last.get(subject, 0):
            swapped.append(message)
        else:
            last[subject] = number
    lost = [message for message in accepted if message not in times]
    return {"accepted": len(accepted), "effects": len(effects), "lost": lost, "twice": twice, "swapped": swapped}


def is_right(report):
    return not (report["lost"] or report["twice"] or report["swapped"])


def describe(report):
    """One line, with the first of each kind of mistake."""
    text = f"{report['accepted']} accepted, {report['effects']} effects"
    for kind in ("lost", "twice", "swapped"):
        found = report[kind]
        text += f", {len(found)} {kind}"
        if found:
            text += " (" + ", ".join(f"{subject} {number}" for subject, number in found[:3]) + (", …)" if len(found) > 3 else ")")
    return text
