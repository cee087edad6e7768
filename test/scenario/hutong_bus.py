"""A broker for scenarios: a process of its own, configured in a folder of its own, on a free port.

    with Broker(tmp_path) as broker:
        client = broker.client("housing/tenancy", receive=True)

Programs come from the build folder in HUTONG_BUILD.
"""
import contextlib
import itertools
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import zmq.auth

from patience import Patience

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HUTONG_BUILD", SOURCE / "build" / "debug"))
PATIENCE = 30  # seconds for anything that must happen

AGENCIES = {
    "public_security": ("population", ["gov.public_security.v1.ResidenceRegistered"]),
    "housing": ("tenancy", ["gov.housing.v1.TenancyMarked"]),
    "civil_affairs": ("registration", ["gov.civil_affairs.v1.AllowanceStopped"]),
}

AGREEMENTS = {
    "residence": """agreement: TEST-1
title: occupants
provider: public_security/population
receiver: housing/tenancy
type: gov.housing.v1.OccupancyNotice
fields: [citizen_number, unit_code]
purpose: a test
basis: a test
from: 2026-01-01
until: 2099-12-31
""",
    "marks": """agreement: TEST-2
title: marks
provider: housing/tenancy
receiver: civil_affairs/registration
type: gov.housing.v1.TenancyMarked
fields: [lease_number, citizen_number, mark, marked_at]
purpose: a test
basis: a test
from: 2026-01-01
until: 2099-12-31
""",
}

ROUTES = """routes:
  - name: residence
    on: gov.public_security.v1.ResidenceRegistered
    from: public_security/population
    when: msg.kind != Kind.VISIT
    order_by: msg.resident.citizen_number
    to:
      - system: housing/tenancy
        agreement: TEST-1
        as: gov.housing.v1.OccupancyNotice
        map:
          citizen_number: msg.resident.citizen_number
          unit_code: msg.address.unit_code
    deliver: { retries: 3, backoff: 50ms..200ms, expires: 1d }
  - name: marks
    on: gov.housing.v1.TenancyMarked
    from: housing/tenancy
    to:
      - system: civil_affairs/registration
        agreement: TEST-2
"""


def program(name):
    """The path of a built program."""
    path = BUILD / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built; HUTONG_BUILD names the build folder")
    return path


def ports_of_this_process():
    """Below what the kernel gives to outgoing connections, and each of pytest's workers has its own thousand: nobody takes a
    port between its choice and its use."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    mine = range(20000, 32000)
    if worker:
        mine = mine[int(worker[2:]) % 12 * 1000:][:1000]
    return itertools.cycle(random.sample(mine, len(mine)))


PORTS = ports_of_this_process()


def free_port():
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition, what, patience=PATIENCE):
    """Returns what `condition` returns as soon as that is true."""
    waiting = Patience(patience)
    while not waiting.over():
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise TimeoutError(f"not within {patience} s: {what}")


class Broker:
    started = []  # all that were, for when a test fails before it has ended its own

    def __init__(self, folder, curve=False, settings="", limits=None, program_name="hutong-broker", address="127.0.0.1",
                 wrap=(), env=None, journal="  folder: ../journal\n  segment_size: 8MiB\n"):
        """`settings`: further lines of broker.yaml; `limits`: what stands under that key; `wrap`: a command that runs the
        broker, such as in another network, at `address`; `env`: more environment for it."""
        self.folder = pathlib.Path(folder)
        self.program_name = program_name
        self.curve = curve
        self.wrap, self.env = list(wrap), {**os.environ, **(env or {})}
        self.endpoint = f"tcp://{address}:{free_port()}"
        self.log_path = self.folder / "broker.log"
        self.process = None
        self._write_keys()
        # Small, so that a scenario costs little disk.
        limits = {"message": "1MiB", **(limits or {})}
        self.journal = journal
        self._write_conf(settings + "limits:\n" + "".join(f"  {key}: {value}\n" for key, value in limits.items()))

    # ---- Configuration ----

    def _write(self, path, text):
        path = self.folder / "conf" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def make_key(self, name):
        """A new pair; the path of its public file (the secret one has _secret behind it)."""
        folder = self.folder / "conf" / "keys"
        folder.mkdir(parents=True, exist_ok=True)
        zmq.auth.create_certificates(folder, name)
        path = folder / name
        (folder / f"{name}.key").rename(path)
        secret = folder / f"{name}_secret"
        (folder / f"{name}.key_secret").rename(secret)
        secret.chmod(0o600)
        return path

    def _write_keys(self):
        self.make_key("broker")
        for agency, (system, _) in AGENCIES.items():
            self.make_key(f"{agency}-{system}")

    def _write_conf(self, settings):
        for agency, (system, types) in AGENCIES.items():
            self._write(
                f"agencies/{agency}.yaml",
                f"agency: {agency}\ntitle: {agency}\nsystems:\n  - name: {system}\n    title: {system}\n"
                f"    key_files: [keys/{agency}-{system}]\n    may_publish: [{', '.join(types)}]\n",
            )
        for name, text in AGREEMENTS.items():
            self._write(f"agreements/{name}.yaml", text)
        self._write("routes/test.yaml", ROUTES)
        self._write(
            "broker.yaml",
            f"listen: {self.endpoint}\n"
            + ("curve: true\nkey_file: keys/broker_secret\n" if self.curve else "curve: false\n")
            + f"catalogue: {BUILD}/catalogue.binpb\ncodes: {SOURCE}/conf/codes\n"
            "agencies: agencies\nagreements: agreements\nroutes: routes\n"
            f"journal:\n{self.journal}  batch: 1MiB\n  batch_limit: 4MiB\n" + settings,
        )

    def secret_file(self, system):
        return self.folder / "conf" / "keys" / (system.replace("/", "-") + "_secret")

    def public_file(self):
        return self.folder / "conf" / "keys" / "broker"

    def keys(self, system):
        """(public, secret, broker's public) of a system, or None without CURVE."""
        if not self.curve:
            return None
        public, secret = zmq.auth.load_certificate(self.secret_file(system))
        return public, secret, zmq.auth.load_certificate(self.public_file())[0]

    # ---- The process ----

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def spawn(self):
        """Starts the process and waits for nothing."""
        Broker.started.append(self)
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*self.wrap, program(self.program_name), "-c", self.folder / "conf" / "broker.yaml"], stderr=log, env=self.env
            )

    def start(self):
        seen = len(self.log())
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.log()[seen:]}")
            return " broker.ready " in self.log()[seen:]

        wait_until(ready, "broker.ready")
        return self

    def _end(self, number):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, number)
            self.process.wait(PATIENCE)

    def stop(self):
        """SIGTERM; the exit status."""
        self._end(signal.SIGTERM)
        return self.process.returncode

    def kill(self):
        self._end(signal.SIGKILL)

    @classmethod
    def end_those_since(cls, count):
        while len(cls.started) > count:
            cls.started.pop().kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
