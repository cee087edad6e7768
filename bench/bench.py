"""Runs benchmarks of the bus: starts the processes, measures them, prints tables or JSON.

w1      1 KiB messages, one publisher, a route with one filter, one receiver; beside it a plain ROUTER relay of the same messages
        without durability: the raw ceiling
w2      each message to three departments with three mappings
w3      ten filters choose one of ten systems
w4      100 publishers and 100 receivers
w5      a backlog (--backlog) waits with nobody to receive it; then one receiver comes back. Told first: the disk space
idle    memory of an idle broker and an idle sidecar
profile what each microsecond of the broker's CPU buys in w1 (perf)
kafka   the Kafka connector in both directions beside plain librdkafka, on a real Kafka (Java and Maven)
kafka-bus  w1 with the journal on a real Kafka, with one broker and with three, beside plain librdkafka
routes  what routing costs, without a broker: the scan of a message, 1 to 1,000 filters beside the same ones by hand in C
all     w1 to w5, w1 with CURVE, idle, profile where perf is installed, and w1 at ten loads for the chart

Full load: a closed loop with at most --window unacknowledged and as many not yet received. At 20 % and 50 % of it, and on the chart:
open loop, a latency counts from the time at which the message was due. Everything is durable before it is acknowledged, each
message is settled singly, loss and repeats are checked. Medians of --runs.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import tempfile

import buses
import conditions
import disk
import due
import idle
import kafka_bus
import kafka_connector
import profile
import report
import routes
import workloads
from peers import compare
from workloads import say

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART_LOADS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1)


def medians(results):
    """Of each figure; of figures by process too."""
    first = results[0]
    return {key: medians([result[key] for result in results]) if isinstance(value, dict)
            else statistics.median(result[key] for result in results) for key, value in first.items()}


def paced(options, bus, rate, load):
    say(f"{bus.name}: {load:.0%} load …")
    return medians([workloads.run_bus(options, bus, rate * load) for _ in range(options.runs)])


def measure_bus(options, name):
    """Full load beside the relay (w1), then 20 % and 50 % of it."""
    bus = buses.BUSES[name]()
    full, relay = [], []
    for run in range(options.runs):
        say(f"{name}{' CURVE' if options.curve else ''}: run {run + 1} of {options.runs} …")
        if name == "w1":
            relay.append(workloads.run_relay(options))
        full.append(workloads.run_bus(options, bus))
    result = {"curve": options.curve, "full": medians(full), "all_messages_per_s": [round(run["messages_per_s"]) for run in full]}
    if relay:
        result["relay"] = medians(relay)
        result["all_relay_messages_per_s"] = [round(run["messages_per_s"]) for run in relay]
    for load in workloads.LOADS:
        result[f"at_{load * 100:.0f}_percent"] = paced(options, bus, result["full"]["messages_per_s"], load)
    return result


def measure_chart(options, rate):
    """W1 at loads up to beyond what it takes: one run each."""
    points = []
    for load in CHART_LOADS:
        say(f"w1: {load:.0%} load, for the chart …")
        run = workloads.run_bus(options, buses.w1(), rate * load)
        points.append({"load": load, "offered": rate * load,
                       **{key: run[key] for key in ("messages_per_s", "p50_us", "p99_us", "p999_us")}})
    return points


def measure_one(options, name):
    if name == "idle":
        return idle.measure(options)
    if name == "profile":
        return profile.measure(options)
    if name == "w5":
        return workloads.run_backlog(options)
    return measure_bus(options, name)


def wanted(options):
    """What one command measures: w5 stands beside w1."""
    if options.benchmark == "all":
        return ["idle", "w1", "w2", "w3", "w4", "w5"] + (["profile"] if shutil.which("perf") else [])
    return ["w1", "w5"] if options.benchmark == "w5" else [options.benchmark]


def measure(options):
    result = {"benchmark": options.benchmark, "conditions": conditions.take(options), "disk": disk.measure(options.folder),
              "workloads": {}}
    names = wanted(options)
    if "w5" in names:
        workloads.check_room(options)
    for name in names:
        result["workloads"][name + ("_curve" if options.curve and name not in ("idle", "w5", "profile") else "")] = measure_one(options, name)
    if options.benchmark == "all":
        options.curve = True
        result["workloads"]["w1_curve"] = measure_bus(options, "w1")
        options.curve = False
    if options.benchmark == "all" or options.chart:
        result["chart"] = measure_chart(options, result["workloads"]["w1"]["full"]["messages_per_s"])
    if options.peers:
        asked = [name for name in names if name in compare.QUEUES]
        result["peers"] = {name: compare.measure(options, name) for name in asked}
        for name in set(names) - set(asked) - {"idle", "w5", "profile"}:
            say(f"{name}: no peers: what a peer can be asked is W1 and W2")
    result["due"] = due.rows(result)
    return result


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["w1", "w2", "w3", "w4", "w5", "idle", "profile", "routes", "kafka", "kafka-bus", "all"])
    parser.add_argument("--peers", action="store_true", help="w1, w2: the peers that are installed, in the same run")
    parser.add_argument("--only", action="append", metavar="PEER", help="of the peers these: postgresql, rabbitmq, redis, nats")
    parser.add_argument("--curve", action="store_true", help="encrypted, and keys proved")
    parser.add_argument("--chart", metavar="FILE.svg", help="w1, all: also ten loads, drawn into this file")
    parser.add_argument("--seconds", default="3", help="counted, after --warm (default: 3)")
    parser.add_argument("--warm", default="1", help="seconds before counting (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="medians are shown (default: 3)")
    parser.add_argument("--size", type=int, default=1024, help="bytes of a payload (default: 1024)")
    parser.add_argument("--window", type=int, default=10000, help="unacknowledged at most, and as many not yet received (default: 10000)")
    parser.add_argument("--backlog", type=int, default=10_000_000, help="w5: messages that wait (default: 10000000)")
    parser.add_argument("--formats", action="append", choices=kafka_connector.FORMATS, help="kafka: these (default: all)")
    parser.add_argument("--records", type=int, default=300_000, help="kafka: records each way (default: 300000)")
    parser.add_argument("--partitions", type=int, default=12, help="kafka-bus: of each topic (default: 12, as a bus has of its own accord)")
    parser.add_argument("--rounds", type=int, default=31, help="of routes, all cases by turns; medians are shown (default: 31)")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where journals and the peers' data go for the run")
    parser.add_argument("--no-build", action="store_true", help="take the build as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if options.chart and options.benchmark not in ("w1", "all"):
        parser.error("--chart is of w1 or all")
    if options.peers and not set(wanted(options)) & set(compare.QUEUES):
        parser.error(f"--peers: the peers can be asked {' and '.join(compare.QUEUES)}, not {options.benchmark}")
    options.bin = pathlib.Path(os.environ.get("HUTONG_BUILD", ROOT / "build/release")).resolve() / "bin"
    return options


def main():
    options = arguments()
    apart = {"routes": routes, "kafka": kafka_connector, "kafka-bus": kafka_bus}.get(options.benchmark)
    result = apart.measure(options) if apart else measure(options)
    if options.chart:
        import chart
        pathlib.Path(options.chart).write_text(chart.draw(result), encoding="utf-8")
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    elif apart:
        apart.show(result)
    else:
        print(report.text(result))


if __name__ == "__main__":
    main()
