"""What is due, as ratios within one run, and whether it is met."""
MIB = 1024


def syncing(peers):
    return [result for result in peers["results"] if result["syncs"]]


def fastest(peers, key):
    return max(syncing(peers), key=lambda result: result[key], default=None)


def row(figure, found, due, met):
    return {"figure": figure, "found": found, "due": due, "met": met}


def at_least(figure, found, least):
    return row(figure, None if found is None else round(found, 3), f"at least {least:g}", None if found is None else found >= least)


def under(figure, found, most, unit):
    return row(figure, None if found is None else f"{found:g} {unit}", f"under {most:g} {unit}", None if found is None else found < most)


def ratio(a, b):
    return a / b if a and b else None


def against_peer(workloads, peers, workload, key):
    """The bus's figure by the fastest peer's that syncs before it answers."""
    if workload not in workloads or workload not in peers:
        return None
    best = fastest(peers[workload], key)
    return ratio(workloads[workload]["full"][key], best[key]) if best else None


def mib(kib):
    return round(kib / MIB, 1)


def rows(result):
    """Every figure that is due; `met` is None where it was not measured in this run."""
    workloads, peers, disk = result.get("workloads", {}), result.get("peers", {}), result.get("disk")
    w1, curve, w5, idle = (workloads.get(name) for name in ("w1", "w1_curve", "w5", "idle"))
    limit = 2 * disk["sync_64_kib_p99_us"] + 1000 if disk else 0
    p99 = w1["at_20_percent"]["p99_us"] / 1000 if w1 else None
    return [
        at_least("W1 by the raw relay without durability, CURVE off", w1 and ratio(w1["full"]["messages_per_s"], w1["relay"]["messages_per_s"]), 1.0),
        at_least("W1 by the raw relay, CURVE on", curve and ratio(curve["full"]["messages_per_s"], curve["relay"]["messages_per_s"]), 1.3),
        at_least("W1 by the fastest peer that syncs before it answers", against_peer(workloads, peers, "w1", "messages_per_s"), 6),
        at_least("W2 deliveries/s by the fastest such peer", against_peer(workloads, peers, "w2", "deliveries_per_s"), 8),
        under("W1 p99 at 20 % load (2 times the disk's 64 KiB sync p99 plus 1 ms)", p99, round(limit / 1000, 2), "ms"),
        under("bytes written per byte accepted, W1 at full load", w1 and round(w1["full"]["disk_bytes_per_byte"], 3), 1.15, "bytes"),
        under("W5: broker's RSS with the backlog waiting", w5 and mib(w5["rss_waiting_kib"]), 64, "MiB"),
        at_least("W5: drained by W1", w5 and w1 and ratio(w5["drain_messages_per_s"], w1["full"]["messages_per_s"]), 0.8),
        under("RSS of the idle broker", idle and mib(idle["broker_rss_kib"]), 12, "MiB"),
        under("RSS of the idle sidecar", idle and mib(idle["sidecar_rss_kib"]), 8, "MiB"),
    ]
