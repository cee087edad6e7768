"""Runs benchmarks of the bus: starts the processes, measures them, prints a table or JSON.

w1: 1 KiB messages, one publisher with at most 10,000 unacknowledged
(and as many not yet received, as the peers were measured), a route with one filter, one receiver that settles each;
durable before it is acknowledged; loopback TCP. In the same run the raw ceiling: a plain ROUTER relay of the same messages,
one by one, without durability. idle: memory of an idle broker and an idle sidecar. routes: what routing costs, without a broker: the scan
of a message, 1 to 1,000 filters beside the same ones written by hand in C, a route that maps ten fields.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import routes

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("HUTONG_BUILD", ROOT / "build/release")) / "bin"
CATALOGUE = BIN.parent / "catalogue.binpb"
TYPE = "gov.public_security.v1.ResidenceRegistered"
FIELDS = ["resident", "address", "kind", "relation", "registered_at", "organ", "household_number", "previous_division",
          "entry_number"]
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child that says "ready" (or logs broker.ready) on standard error, measured by /proc."""

    def __init__(self, name, *command, ready=None, folder=None):
        self.name = name
        self.log = open(pathlib.Path(folder) / f"{name}.log", "w+", encoding="utf-8")
        self.child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=self.log, text=True)
        if ready:
            self.wait_for(ready)

    def wait_for(self, word, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if word in pathlib.Path(self.log.name).read_text(encoding="utf-8"):
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"bench: {self.name} did not start:\n{pathlib.Path(self.log.name).read_text()}")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        out, _ = self.child.communicate(timeout=60)
        return json.loads(out) if out and out.strip().startswith("{") else {}

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_conf(folder, curve):
    conf = folder / "conf"
    keys = conf / "keys"
    keys.mkdir(parents=True)
    for name in ("broker", "public_security-population", "housing-tenancy"):
        subprocess.run([BIN / "hutong", "keys", "generate", "-o", keys, name], check=True, stdout=subprocess.DEVNULL)
    write(conf / "broker.yaml", f"""listen: tcp://127.0.0.1:{free_port()}
curve: {'true' if curve else 'false'}
key_file: keys/broker_secret
catalogue: {CATALOGUE}
codes: codes
agencies: agencies
agreements: agreements
routes: routes
log_level: info
journal:
  folder: {folder}/journal
""")
    (conf / "codes").mkdir()
    for agency, system in (("public_security", "population"), ("housing", "tenancy")):
        write(conf / f"agencies/{agency}.yaml", f"""agency: {agency}
title: {agency}
systems:
  - name: {system}
    title: {system}
    key_files: [../keys/{agency}-{system}]
""".replace("../keys", "keys"))
    write(conf / "agreements/w1.yaml", f"""agreement: W1
title: benchmark
provider: public_security/population
receiver: housing/tenancy
type: {TYPE}
fields: [{', '.join(FIELDS)}]
purpose: benchmark
basis: none
from: 2020-01-01
until: 2099-12-31
contact: none
""")
    write(conf / "routes/w1.yaml", f"""routes:
  - name: w1
    on: {TYPE}
    from: public_security/population
    when: msg.address.division.startsWith("330106")
    to:
      - system: housing/tenancy
        agreement: W1
""")
    return conf


def client_arguments(conf, system, curve):
    endpoint = re.search(r"listen: (\S+)", (conf / "broker.yaml").read_text()).group(1)
    arguments = ["--endpoint", endpoint, "--system", system, "--catalogue", CATALOGUE]
    if curve:
        arguments += ["--key", conf / "keys" / (system.replace("/", "-") + "_secret"), "--broker-key", conf / "keys/broker"]
    return arguments


def run_bus(options, rate=0.0):
    """One run through the broker: messages/s, latencies, CPU and memory of each process."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    conf = make_conf(folder, options.curve)
    timing = ["--warm", options.warm, "--count", options.seconds]
    processes = []
    try:
        broker = Process("broker", BIN / "hutong-broker", "-c", conf / "broker.yaml", ready="broker.ready", folder=folder)
        processes.append(broker)
        time.sleep(0.3)
        idle_kib = broker.rss_kib()
        receiver = Process("receiver", BIN / "hutong-bench", "receive", *client_arguments(conf, "housing/tenancy", options.curve),
                           *timing, "--progress", folder / "progress", ready="ready", folder=folder)
        processes.append(receiver)
        publisher = Process("publisher", BIN / "hutong-bench", "publish",
                            *client_arguments(conf, "public_security/population", options.curve), *timing, "--rate", rate,
                            "--window", options.window, "--size", options.size, "--progress", folder / "progress",
                            "--unconsumed", options.window, folder=folder)
        processes.append(publisher)
        time.sleep(float(options.warm) + 0.5)
        before = [p.cpu_s() for p in processes]
        counted_for = float(options.seconds) - 1
        time.sleep(counted_for)
        after = [p.cpu_s() for p in processes]
        loaded_kib = broker.rss_kib()
        published, _ = publisher.child.communicate(timeout=120)
        if publisher.child.returncode != 0:
            raise SystemExit(f"bench: the publisher failed: {published}\n{(folder / 'publisher.log').read_text()}")
        published = json.loads(published)
        received = receiver.stop()
        if received["received"] != published["accepted"]:
            raise SystemExit(f"bench: {published['accepted']} accepted, {received['received']} received")
        rate_seen = received["counted"] / float(options.seconds)
        return {
            "messages_per_s": rate_seen,
            "p50_us": received["p50_us"], "p99_us": received["p99_us"], "p999_us": received["p999_us"],
            "cpu_us_per_message": {p.name: (b - a) / counted_for / rate_seen * 1e6
                                   for p, a, b in zip(processes, before, after)},
            "broker_idle_rss_kib": idle_kib, "broker_rss_kib": loaded_kib,
            "accepted": published["accepted"], "received": received["received"],
        }
    finally:
        for process in reversed(processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def run_relay(options):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    arguments = ["--endpoint", endpoint, "--size", options.size, "--warm", options.warm, "--count", options.seconds]
    keys = folder / "keys"
    if options.curve:
        keys.mkdir()
        for name in ("broker", "client"):
            subprocess.run([BIN / "hutong", "keys", "generate", "-o", keys, name], check=True, stdout=subprocess.DEVNULL)

    def key(name):
        return ["--key", keys / f"{name}_secret", "--broker-key", keys / "broker"] if options.curve else []

    processes = []
    try:
        processes.append(Process("relay", BIN / "hutong-bench", "relay", *arguments, *key("broker"), ready="ready", folder=folder))
        receiver = Process("receiver", BIN / "hutong-bench", "relay-receive", *arguments, *key("client"), ready="ready", folder=folder)
        processes.append(receiver)
        time.sleep(0.5)
        publisher = Process("publisher", BIN / "hutong-bench", "relay-publish", *arguments, *key("client"), folder=folder)
        processes.append(publisher)
        publisher.child.communicate(timeout=120)
        received = receiver.stop()
        return received["counted"] / float(options.seconds)
    finally:
        for process in reversed(processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def conditions(options):
    cpu = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    here = str(pathlib.Path(options.folder).resolve())
    mount = max((m for m in mounts if here.startswith(m[1])), key=lambda m: len(m[1]))
    revision = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": cpu.group(1) if cpu else "", "cores": os.cpu_count(),
        "kernel": platform.release(), "filesystem": mount[2], "load": os.getloadavg()[0], "revision": revision.stdout.strip(),
        "curve": options.curve, "message_bytes": options.size, "window": options.window, "warm_s": float(options.warm),
        "counted_s": float(options.seconds), "runs": options.runs, "transport": "tcp loopback",
        "durable": "fdatasync before each acknowledgement, chain and Merkle root on",
    }


def median(results, key):
    return statistics.median(r[key] for r in results)


def w1(options):
    full, relay = [], []
    for run in range(options.runs):
        print(f"w1: run {run + 1} of {options.runs}, relay …", file=sys.stderr)
        relay.append(run_relay(options))
        print(f"w1: run {run + 1} of {options.runs}, bus …", file=sys.stderr)
        full.append(run_bus(options))
    rate = median(full, "messages_per_s")
    print("w1: 20 % load …", file=sys.stderr)
    paced = run_bus(options, rate * 0.2)
    ceiling = statistics.median(relay)
    return {
        "benchmark": "w1", "messages_per_s": round(rate), "relay_messages_per_s": round(ceiling),
        "ratio_to_relay": round(rate / ceiling, 3), "p50_us": median(full, "p50_us"), "p99_us": median(full, "p99_us"),
        "p50_us_at_20_percent": paced["p50_us"], "p99_us_at_20_percent": paced["p99_us"],
        "messages_per_s_at_20_percent": round(paced["messages_per_s"]),
        "cpu_us_per_message": {name: round(statistics.median(r["cpu_us_per_message"][name] for r in full), 2)
                               for name in full[0]["cpu_us_per_message"]},
        "broker_rss_kib": median(full, "broker_rss_kib"), "broker_idle_rss_kib": median(full, "broker_idle_rss_kib"),
        "all_messages_per_s": [round(r["messages_per_s"]) for r in full], "all_relay_messages_per_s": [round(r) for r in relay],
        "conditions": conditions(options),
    }


def copy_project_conf(folder, endpoint):
    """The project's own conf/ and routes/, with new keys, on `endpoint`."""
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(ROOT / "routes", folder / "routes")
    path = folder / "conf/broker.yaml"
    text = re.sub(r"(?m)^listen: .*$", f"listen: {endpoint}", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^catalogue: .*$", f"catalogue: {CATALOGUE}", text)
    path.write_text(text.replace("../run/", f"{folder}/run/"), encoding="utf-8")
    (folder / "run").mkdir()
    for name in ("broker", "public_security/population", "civil_affairs/registration", "housing/tenancy"):
        subprocess.run([BIN / "hutong", "keys", "generate", "-o", folder / "conf/keys", name], check=True,
                       stdout=subprocess.DEVNULL)


def idle(options):
    """Memory of the broker with the project's own configuration, and of the civil affairs sidecar connected to it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    copy_project_conf(folder, endpoint)
    for name in ("civil/in", "civil/out"):
        (folder / name).mkdir(parents=True)
    os.environ.update(CIVIL_HOME=str(folder / "civil"), HUTONG_ENDPOINT=endpoint, HUTONG_STATE=str(folder / "state"),
                      HUTONG_KEY=str(folder / "conf/keys/civil_affairs-registration_secret"),
                      HUTONG_BROKER_KEY=str(folder / "conf/keys/broker"), HUTONG_CATALOGUE=str(CATALOGUE))
    processes = []
    try:
        broker = Process("broker", BIN / "hutong-broker", "-c", folder / "conf/broker.yaml", ready="broker.ready", folder=folder)
        processes.append(broker)
        adapter = Process("adapter", BIN / "hutong-adapter", "-c", ROOT / "adapters/civil_affairs/adapter.yaml",
                          ready="adapter.connected", folder=folder)
        processes.append(adapter)
        time.sleep(2)
        return {"benchmark": "idle", "broker_rss_kib": broker.rss_kib(), "sidecar_rss_kib": adapter.rss_kib(),
                "conditions": conditions(options)}
    finally:
        for process in reversed(processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def show(result):
    print(json.dumps({"conditions": result["conditions"]}, ensure_ascii=False))
    for key, value in result.items():
        if key not in ("conditions", "benchmark"):
            print(f"{result['benchmark']}  {key:34} {value}")


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["w1", "idle", "routes"])
    parser.add_argument("--curve", action="store_true", help="encrypted, and keys proved")
    parser.add_argument("--seconds", default="8", help="counted, after --warm (default: 8)")
    parser.add_argument("--warm", default="3", help="seconds before counting (default: 3)")
    parser.add_argument("--runs", type=int, default=3, help="of relay and bus in turn; medians are shown (default: 3)")
    parser.add_argument("--size", type=int, default=1024, help="bytes of a payload (default: 1024)")
    parser.add_argument("--window", type=int, default=10000, help="unacknowledged at most, and as many not yet received (default: 10000)")
    parser.add_argument("--rounds", type=int, default=31, help="of routes, all cases by turns; medians are shown (default: 31)")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the journal goes for the run")
    parser.add_argument("--no-build", action="store_true", help="take the build as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    options.bin = BIN
    result = {"w1": w1, "idle": idle, "routes": routes.measure}[options.benchmark](options)
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    elif options.benchmark == "routes":
        routes.show(result)
    else:
        show(result)


if __name__ == "__main__":
    main()
