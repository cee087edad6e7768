"""A run's figures as tables: for the terminal, and for docs/performance.md (python3 bench/report.py RUN.json)."""
import json
import pathlib
import re
import sys

DOC = pathlib.Path(__file__).resolve().parent.parent / "docs/performance.md"
LOADS = (("at_20_percent", "20 %"), ("at_50_percent", "50 %"), ("full", "full"))
NAMES = {"w1": "W1: 1 to 1, one filter", "w1_curve": "W1 with CURVE", "w2": "W2: to three, three mappings", "w3": "W3: ten filters, ten systems",
         "w4": "W4: 100 publishers, 100 receivers", "w2_curve": "W2 with CURVE", "w3_curve": "W3 with CURVE", "w4_curve": "W4 with CURVE"}


def ms(us):
    return f"{us / 1000:.2f}" if us < 10000 else f"{us / 1000:.0f}"


def mib(kib):
    return f"{kib / 1024:.1f}"


def cpu(by_process):
    return " / ".join("-" if value is None else f"{value:.2f}" for value in by_process.values())


def bus_rows(workloads):
    rows = [["workload", "load", "messages/s", "deliveries/s", "p50 ms", "p99 ms", "p999 ms", "CPU us a message: broker / receiver / publisher",
             "written a byte: disk / journal", "syncs/s", "RSS MiB: idle / loaded"]]
    for name, found in workloads.items():
        for key, words in LOADS:
            if key not in found:
                continue
            run = found[key]
            rows.append([NAMES[name], words, f"{run['messages_per_s']:,.0f}", f"{run['deliveries_per_s']:,.0f}", ms(run["p50_us"]), ms(run["p99_us"]),
                         ms(run["p999_us"]), cpu(run["cpu_us_per_message"]),
                         f"{run['disk_bytes_per_byte']:.3f} / {run['journal_bytes_per_byte']:.3f}", f"{run['syncs_per_s']:.0f}",
                         f"{mib(run['rss_idle_kib'])} / {mib(run['rss_kib'])}"])
        if "relay" in found:
            relay = found["relay"]
            rows.append([f"raw relay{' with CURVE' if found['curve'] else ''}, no durability", "full", f"{relay['messages_per_s']:,.0f}",
                         f"{relay['messages_per_s']:,.0f}", ms(relay["p50_us"]), ms(relay["p99_us"]), "", "", "", "", ""])
    return rows if len(rows) > 1 else []


def backlog_rows(w5):
    return [["backlog", "value"], ["messages", f"{w5['backlog']:,}"], ["broker's RSS idle, MiB", mib(w5["rss_idle_kib"])],
            ["broker's RSS with all of them waiting, MiB", mib(w5["rss_waiting_kib"])],
            ["broker's RSS while one receiver drains, at most, MiB", mib(w5["rss_draining_kib"])],
            ["filled, messages/s", f"{w5['fill_messages_per_s']:,.0f}"], ["drained, messages/s", f"{w5['drain_messages_per_s']:,.0f}"],
            ["journal, GB", f"{w5['journal_bytes'] / 1e9:.2f}"]]


def peer_rows(workload, peers, bus):
    rows = [[f"{workload.upper()}", "answer waits for the disk", "messages/s", "deliveries/s", "Hutong by it", "p50 / p99 ms, full",
             "p50 / p99 ms, 20 %", "CPU us a message: server / receiver / publisher", "RSS MiB", "syncs a message when alone"]]
    if bus:
        full, calm = bus["full"], bus["at_20_percent"]
        rows.append(["**Hutong**", "yes", f"{full['messages_per_s']:,.0f}", f"{full['deliveries_per_s']:,.0f}", "",
                     f"{ms(full['p50_us'])} / {ms(full['p99_us'])}", f"{ms(calm['p50_us'])} / {ms(calm['p99_us'])}",
                     cpu(full["cpu_us_per_message"]), mib(full["rss_kib"]), ""])
    for run in sorted(peers["results"], key=lambda run: (not run["syncs"], -run["messages_per_s"])):
        calm = run["at_20_percent"]
        times = f"{bus['full']['messages_per_s'] / run['messages_per_s']:.1f}" if bus and run["messages_per_s"] else ""
        alone = run["syncs_per_message_when_alone"]
        rows.append([f"{run['version']}, {run['words']}", "yes" if run["syncs"] else "no", f"{run['messages_per_s']:,.0f}",
                     f"{run['deliveries_per_s']:,.0f}", times, f"{ms(run['p50_us'])} / {ms(run['p99_us'])}",
                     f"{ms(calm['p50_us'])} / {ms(calm['p99_us'])}", cpu(run["cpu_us_per_message"]), mib(run["rss_kib"]),
                     "" if alone is None else f"{alone:g}"])
    return rows


def profile_rows(profile):
    return [[f"the broker's {profile['cpu_us_per_message']:.2f} us of CPU a message in W1", "share", "us"]] + [
        [part["what"], f"{part['share']:.1%}", f"{part['us']:.2f}"] for part in profile["parts"]]


def function_rows(profile):
    return [["of it in functions of our own", "share", "us"]] + [
        [f"`{part['what']}`", f"{part['share']:.1%}", f"{part['us']:.2f}"] for part in profile["functions"][:12]]


def due_rows(due):
    said = {True: "met", False: "NOT MET", None: "not measured"}
    return [["figure", "found", "due", ""]] + [
        [row["figure"], "-" if row["found"] is None else str(row["found"]), row["due"], said[row["met"]]] for row in due]


def kafka_rows(result):
    lines = [["format", "way", "plain/s", "connector/s", "CPU us a record: plain / connector", "ratio", "of each round", "due: at least 0.8"]]
    for kind, found in result["formats"].items():
        for pair in found["ratios"]:
            plain, ours = found["figures"][pair["plain"]], found["figures"][pair["connector"]]
            lines.append([kind, pair["way"], f"{plain['per_s']:,.0f}", f"{ours['per_s']:,.0f}", f"{plain['cpu_us']:.2f} / {ours['cpu_us']:.2f}",
                          f"{pair['median']:.2f}", " ".join(f"{ratio:.2f}" for ratio in pair["all"]),
                          "met" if pair["median"] >= result["due"] else "NOT MET"])
    return lines


def kafka_text(result):
    found = result["conditions"]
    return (f"{found['time']}, revision {found['revision']}, {found['cores']} cores of {found['cpu']}, Linux {found['kernel']}, "
            f"{found['filesystem']}, load before {found['load_before']}; {result['records']:,} records of {result['size']} bytes, transactions of "
            f"{result['transaction']:,}, medians of {result['runs']} rounds.")


def kafka_bus_rows(result):
    lines = [["W1 with the journal on Kafka", "ratio", "of each round", "due"]]
    for pair in result["ratios"]:
        verdict = "met" if pair["due"] and pair["median"] >= pair["due"] else "NOT MET"
        lines.append([pair["words"], f"{pair['median']:.2f}", " ".join(f"{ratio:.2f}" for ratio in pair["all"]),
                      f"at least {pair['due']:g}: {verdict}" if pair["due"] else "-"])
    return lines


WHO = {"one": "bus, one broker", "three": "bus, three brokers", "plain": "plain", "transactions": "plain, in transactions"}


def kafka_bus_figures(result):
    lines = [["", "messages/s", "messages a transaction", "p50 ms", "CPU us a message: Kafka / brokers, receivers, publishers or consumer, producer", "together"]]
    for who, found in result["figures"].items():
        used = [value for value in found["cpu_us"].values() if value is not None]
        lines.append([WHO[who], f"{found['per_s']:,.0f}", f"{found['batch']:,.0f}" if "batch" in found else "-",
                      ms(found["p50_us"]) if "p50_us" in found else "-", cpu(found["cpu_us"]), f"{sum(used):.1f}"])
    return lines


def kafka_bus_text(result):
    found = result["conditions"]
    return (f"{found['time']}, revision {found['revision']}, {found['cores']} cores of {found['cpu']}, Linux {found['kernel']}, "
            f"{found['filesystem']}, load before {found['load_before']}; one Kafka node, {result['partitions']} partitions, messages of "
            f"{found['message_bytes']} bytes, window {found['window']:,}, {found['warm_s']:g} s warm, {found['counted_s']:g} s counted, "
            f"medians of {found['runs']} rounds.")


def disk_rows(disk):
    return [["the disk's own sync on a zero-filled file" + (", O_DIRECT" if disk["direct"] else ", buffered"), "p50 us", "p99 us"]] + [
        [words, str(disk[f"sync_{key}_p50_us"]), str(disk[f"sync_{key}_p99_us"])]
        for key, words in (("4_kib", "4 KiB"), ("64_kib", "64 KiB"), ("1_mib", "1 MiB"))]


def tables(result):
    """By the name that the page gives their places."""
    if result["benchmark"] == "kafka":
        return {"kafka": kafka_rows(result)}
    if result["benchmark"] == "kafka-bus":
        return {"kafka-bus": kafka_bus_rows(result), "kafka-bus-figures": kafka_bus_figures(result)}
    workloads = dict(result["workloads"])
    due = [row for row in result["due"] if row["found"] is not None or result["benchmark"] == "all"]
    found = {"due": due_rows(due) if due else [], "disk": disk_rows(result["disk"])}
    idle, w5, profile = (workloads.pop(name, None) for name in ("idle", "w5", "profile"))
    found["bus"] = bus_rows(workloads)
    if w5:
        found["backlog"] = backlog_rows(w5)
    if idle:
        found["idle"] = [["idle, the project's own configuration", "RSS MiB"], ["broker", mib(idle["broker_rss_kib"])],
                         ["civil affairs sidecar", mib(idle["sidecar_rss_kib"])]]
    if profile:
        found["profile"], found["functions"] = profile_rows(profile), function_rows(profile)
    for workload, peers in result.get("peers", {}).items():
        found[f"peers-{workload}"] = peer_rows(workload, peers, workloads.get(workload))
    return {name: rows for name, rows in found.items() if rows}


def skipped_lines(result):
    skipped = [(workload, skip) for workload, peers in result.get("peers", {}).items() for skip in peers["skipped"]]
    lines = [f"SKIPPED in {workload}: {skip['peer']}, {skip['words']}: {skip['why']}" for workload, skip in skipped]
    return lines + ([f"{len(skipped)} skipped"] if "peers" in result else [])


def plain(rows):
    """In columns."""
    cells = [[cell.replace("**", "") for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0])] + lines[1:])


def markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0])] + lines[1:])


def conditions_text(found):
    return (f"{found['time']}, revision {found['revision']}, {found['cores']} cores of {found['cpu']}, Linux {found['kernel']}, "
            f"{found['filesystem']}, load before {found['load_before']}, {found['transport']}; {found['message_bytes']} bytes, window "
            f"{found['window']:,}, {found['warm_s']:g} s warm, {found['counted_s']:g} s counted, medians of {found['runs']}; {found['durable']}.")


def text(result):
    parts = [conditions_text(result["conditions"])] + [plain(rows) for rows in tables(result).values()]
    return "\n\n".join(parts + ["\n".join(skipped_lines(result))]).rstrip()


def into_page(page, result):
    """Each `<!-- bench: NAME -->` … `<!-- end -->` of the page gets its table; what this run did not measure stays."""
    made = {name: markdown(rows) for name, rows in tables(result).items()}
    if result["benchmark"] == "kafka":
        made["kafka-conditions"] = kafka_text(result)
    elif result["benchmark"] == "kafka-bus":
        made["kafka-bus-conditions"] = kafka_bus_text(result)
    else:
        made["conditions"] = conditions_text(result["conditions"])
    if "peers" in result:
        made["skipped"] = "\n".join(f"- {line}" for line in skipped_lines(result))

    def fill(match):
        name = match.group(1)
        return f"<!-- bench: {name} -->\n{made[name]}\n<!-- end -->" if name in made else match.group(0)
    return re.sub(r"<!-- bench: (\S+) -->\n.*?<!-- end -->", fill, page, flags=re.S)


def main():
    if len(sys.argv) != 2:
        sys.exit("Usage: bench/report.py RUN.json   (writes its tables into docs/performance.md and the chart beside it)")
    import chart
    result = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    DOC.write_text(into_page(DOC.read_text(encoding="utf-8"), result), encoding="utf-8")
    if "chart" in result:
        (DOC.parent / "performance-w1.svg").write_text(chart.draw(result), encoding="utf-8")


if __name__ == "__main__":
    main()
