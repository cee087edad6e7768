"""What the benchmark's own tools make of figures, without running anything."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import buses  # noqa: E402
import callgrind  # noqa: E402
import gate  # noqa: E402
import kafka_bus  # noqa: E402

CALLGRIND = """# callgrind format
version: 1
positions: line
events: Ir

ob=(1) /x/bin/hutong-bench-hotpath
fl=(1) a.c
fn=(1) serve
10 5
cfn=(2) step.constprop.0
calls=2 20
10 400
11 1
cob=(2) /lib/libc.so.6
cfi=(2) ???
cfn=(3) __memmove_avx_unaligned_erms
calls=7 0
12 70
13 2

fn=(2)
20 300
21 100

ob=(2)
fl=(2)
fn=(3)
0 70
"""


def test_callgrind_counts_each_line_once_and_calls_into_libraries(tmp_path):
    out = tmp_path / "out"
    out.write_text(CALLGRIND)
    counts = callgrind.read(out, "/x/bin/hutong-bench-hotpath")
    assert counts.own == {"serve": 8, "step": 400}
    assert counts.libraries == {"libc.so.6": 70}
    assert counts.calls == {"memcpy": 7}


def agreed():
    return {"instructions": 1000.0, "functions": {"a": 600.0, "b": 400.0}, "calls": {"malloc": 1.0}}


def test_gate_is_silent_within_the_tolerance():
    found = {"instructions": 1029.0, "functions": {"a": 629.0, "b": 400.0}, "calls": {"malloc": 1.04}}
    assert not gate.compare("w1", agreed(), found)


def test_gate_names_what_grew_most_first():
    found = {"instructions": 1100.0, "functions": {"a": 610.0, "b": 400.0, "new": 90.0}, "calls": {"malloc": 1.0}}
    over = gate.compare("w1", agreed(), found)
    assert "1100" in over[0]
    assert [line.split()[0] for line in over[2:]] == ["new", "a"]


def test_gate_sees_a_new_call():
    found = {**agreed(), "calls": {"malloc": 1.0, "EVP_DigestUpdate": 2.0}}
    assert gate.compare("w1", agreed(), found) == ["w1: EVP_DigestUpdate is called 2.00 times a message, agreed is 0.00"]


def test_mapping_nests_by_path():
    assert buses.nested({"a.b": "x", "a.c": "y", "d": "z"}, 2) == "  d: z\n  a:\n    b: x\n    c: y\n"


def test_an_agreement_lists_what_is_mapped():
    route = buses.w2().routes[0]
    assert "fields: [citizen_number, since, unit_code]" in buses.agreement_text(route, 0)


# ---- What is due, tables, chart ----

import chart  # noqa: E402
import due  # noqa: E402
import report  # noqa: E402


def run(rate, p99=900):
    return {"messages_per_s": rate, "deliveries_per_s": rate, "p50_us": 100, "p99_us": p99, "p999_us": 2000,
            "cpu_us_per_message": {"broker": 2.0, "receiver": 0.5, "publisher": None}, "disk_bytes_per_byte": 1.06,
            "journal_bytes_per_byte": 1.05, "syncs_per_s": 100, "rss_idle_kib": 6000, "rss_kib": 26000}


def peer(name, rate, syncs):
    return {"peer": name, "version": f"{name} 1", "mode": "m", "words": "w", "syncs": syncs, "messages_per_s": rate, "deliveries_per_s": rate,
            "p50_us": 1, "p99_us": 2, "rss_kib": 1024, "cpu_us_per_message": {"server": 9.0}, "at_20_percent": {"p50_us": 1, "p99_us": 2},
            "syncs_per_message_when_alone": 1.0}


def result():
    found = {
        "benchmark": "all", "conditions": {"time": "2026-11-27T00:00:00Z", "revision": "r", "cores": 2, "cpu": "c", "kernel": "k", "filesystem": "ext4",
                                           "load_before": 0.1, "transport": "t", "message_bytes": 1024, "window": 10000, "warm_s": 1.0,
                                           "counted_s": 3.0, "runs": 3, "durable": "d"},
        "disk": {"direct": True, **{f"sync_{size}_{p}_us": 300 for size in ("4_kib", "64_kib", "1_mib") for p in ("p50", "p99")}},
        "workloads": {"w1": {"curve": False, "full": run(400000), "at_20_percent": run(80000), "at_50_percent": run(200000), "relay": run(390000)},
                      "w5": {"backlog": 10, "rss_waiting_kib": 20480, "rss_draining_kib": 20480, "rss_idle_kib": 6000, "fill_messages_per_s": 1.0,
                             "drain_messages_per_s": 300000, "journal_bytes": 1}},
        "peers": {"w1": {"results": [peer("slow", 30000, True), peer("fast", 50000, True), peer("cache", 200000, False)],
                         "skipped": [{"peer": "x", "mode": "m", "words": "words", "why": "not installed"}]}},
        "chart": [{"load": load, "offered": 400000 * load, **run(400000 * load)} for load in (0.1, 0.5, 1.0)],
    }
    found["due"] = due.rows(found)
    return found


def verdicts(found):
    return {row["figure"].partition(",")[0]: row["met"] for row in due.rows(found)}


def test_due_compares_with_the_fastest_peer_that_syncs():
    rows = {row["figure"]: row for row in due.rows(result())}
    row = rows["W1 by the fastest peer that syncs before it answers"]
    assert (row["found"], row["met"]) == (8.0, True)
    assert rows["W5: drained by W1"]["met"] is False
    assert rows["W1 by the raw relay, CURVE on"]["met"] is None


def test_due_latency_comes_from_the_disk_of_the_same_run():
    found = result()
    name = "W1 p99 at 20 % load (2 times the disk's 64 KiB sync p99 plus 1 ms)"
    assert verdicts(found)[name] is True
    found["workloads"]["w1"]["at_20_percent"]["p99_us"] = 1600
    assert verdicts(found)[name] is False


def test_report_says_what_was_skipped_and_what_is_not_met():
    text = report.text(result())
    assert "SKIPPED in w1: x, words: not installed" in text and "1 skipped" in text
    assert "NOT MET" in text and "not measured" in text


def test_page_gets_the_tables_and_keeps_the_others():
    page = "a\n<!-- bench: due -->\nold\n<!-- end -->\nb\n<!-- bench: peers-w2 -->\nkept\n<!-- end -->\n"
    made = report.into_page(page, result())
    assert "old" not in made and "kept" in made and made.startswith("a\n<!-- bench: due -->\n| figure |")
    assert report.into_page(made, result()) == made


def kafka_run():
    each = {"plain": {"per_s": 200000, "cpu_us": 1.0}, "ours": {"per_s": 150000, "cpu_us": 2.0}}
    pair = {"way": "in", "plain": "plain", "connector": "ours", "median": 0.75, "all": [0.7, 0.75, 0.9]}
    return {"benchmark": "kafka", "conditions": result()["conditions"], "runs": 3, "records": 300000, "size": 1024, "transaction": 10000,
            "due": 0.8, "formats": {"protobuf": {"figures": each, "ratios": [pair]}}}


def test_the_table_of_kafka_changes_no_other():
    page = "<!-- bench: kafka -->\n<!-- end -->\n<!-- bench: conditions -->\nkept\n<!-- end -->\n"
    made = report.into_page(page, kafka_run())
    assert "| 200,000 | 150,000 | 1.00 / 2.00 | 0.75 | 0.70 0.75 0.90 | NOT MET |" in made and "kept" in made


def kafka_bus_round(one, plain):
    used = {"kafka": 5.0, "broker": None}
    return {"one": {"per_s": one, "cpu_us": used, "batch": 4000, "p50_us": 90000}, "three": {"per_s": one, "cpu_us": used, "batch": 2000, "p50_us": 1},
            "plain": {"per_s": plain, "cpu_us": {"kafka": 3.0}}, "transactions": {"per_s": one, "cpu_us": {"kafka": 3.0}}}


def test_the_bus_on_kafka_is_judged_by_ratios_within_a_round():
    rounds = [kafka_bus_round(80000, 100000), kafka_bus_round(20000, 100000), kafka_bus_round(30000, 40000)]
    found = kafka_bus.summary(rounds)
    assert [pair["median"] for pair in found["ratios"]] == [0.75, 1.0, 0.75, 1.0]
    assert found["figures"]["one"] == {"per_s": 30000, "batch": 4000, "p50_us": 90000, "cpu_us": {"kafka": 5.0, "broker": None}}
    whole = {"benchmark": "kafka-bus", "conditions": result()["conditions"], "partitions": 12, **found}
    made = report.into_page("<!-- bench: kafka-bus -->\n<!-- end -->\n<!-- bench: kafka -->\nkept\n<!-- end -->\n", whole)
    assert "| one broker / plain | 0.75 | 0.80 0.20 0.75 | at least 0.7: met |" in made and "kept" in made
    for pair in whole["ratios"]:
        pair["median"] = 0.69
    assert "0.69" in report.text(whole) and "NOT MET" in report.text(whole)


def test_a_loss_on_kafka_is_seen():
    with pytest.raises(SystemExit):
        kafka_bus.check_whole(10, [{"received": 4, "repeated": 0}, {"received": 5, "repeated": 0}])
    with pytest.raises(SystemExit):
        kafka_bus.check_whole(10, [{"received": 10, "repeated": 1}])
    kafka_bus.check_whole(10, [{"received": 4, "repeated": 0}, {"received": 6, "repeated": 0}])


def test_every_place_of_the_page_has_a_table():
    page = report.DOC.read_text(encoding="utf-8")
    asked = set(report.re.findall(r"<!-- bench: (\S+) -->", page))
    assert asked == {"conditions", "due", "disk", "bus", "backlog", "idle", "peers-w1", "peers-w2", "skipped", "profile", "functions", "kafka",
                     "kafka-conditions", "kafka-bus", "kafka-bus-figures", "kafka-bus-conditions"}


def test_chart_is_well_formed_and_tells_who_is_who():
    import xml.dom.minidom
    svg = chart.draw(result())
    assert xml.dom.minidom.parseString(svg).documentElement.tagName == "svg"
    assert "Hutong 400 k" in svg and "fast 1: 50.0 k" in svg and "cache" not in svg


def test_labels_do_not_cover_each_other():
    placed = chart.apart([100, 101, 40, 102])
    assert min(abs(a - b) for i, a in enumerate(placed) for b in placed[i + 1:]) >= 15


def test_round_steps():
    assert [chart.nice_step(most) for most in (6, 55, 480000)] == [1, 10, 100000]
