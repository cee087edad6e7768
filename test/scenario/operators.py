"""hutong(1) as an operator uses it against one broker, for the scenarios of dead letters and replays."""
import json
import subprocess

from client.bus_client import bus
from hutong_bus import Broker, program
from messages import module

residence = module("gov.public_security.v1.residence")
occupancy = module("gov.housing.v1.tenancy")
PS, H = "public_security/population", "housing/tenancy"
NOTICE = "gov.housing.v1.OccupancyNotice"
REGISTERED = "gov.public_security.v1.ResidenceRegistered"


def citizen(number):
    return f"{number:018d}"


def registered(number, person=None, unit="U-1"):
    """A registration of `person` (its own number without one)."""
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = citizen(number if person is None else person)
    message.address.unit_code = unit
    return bus.Envelope(id=f"m{number}", type=REGISTERED, time_us=1, payload=message.SerializeToString())


def failures(positions, text="the table is locked", reject=True):
    return [bus.Failure(position=p, reject=reject, text=text) for p in positions]


def notice(delivery):
    return occupancy.OccupancyNotice.FromString(delivery.envelope.payload)


class Operator:
    def __init__(self, broker):
        self.broker = broker
        self.admin = f"{broker.folder}/admin.sock"
        self.journal = broker.folder / "journal"
        self.conf = broker.folder / "conf"

    def run(self, *words, code=0, admin=True):
        """What it printed; on standard error too when it should fail."""
        more = ["--admin", self.admin] if admin else []
        done = subprocess.run([program("hutong"), *map(str, words), *more], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def start(self, *words):
        return subprocess.Popen([program("hutong"), *map(str, words), "--admin", self.admin], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def letters(self, *words):
        out = self.run("dead", "list", "--json", *words)
        return [json.loads(line) for line in out.splitlines()]

    def positions(self, *words):
        return [letter["position"] for letter in self.letters(*words)]

    def act(self, verb, *words, code=0, why="mended"):
        """dead replay or drop of housing's letters: what came of it."""
        out = self.run("dead", verb, "--system", H, "--why", why, "--json", *words, code=code)
        return json.loads(next(line for line in out.splitlines() if line.startswith("{")))

    def replay(self, *words, code=0, to=H):
        out = self.run("replay", "--to", to, "--why", "asked for", "--json", *words, self.journal, code=code)
        return json.loads(next(line for line in out.splitlines() if line.startswith("{")))

    def operated(self):
        out = self.run("journal", "list", "--json", "--kind", "operated", self.journal, admin=False)
        return [json.loads(line) for line in out.splitlines()]

    def queue(self, name):
        status = json.loads(self.run("status", "--json"))
        return next(queue for queue in status["queues"] if queue["name"] == name)

    def change(self, path, old, new):
        path = self.conf / path
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")


def make(folder, settings="", **options):
    broker = Broker(folder, settings=f"admin: {folder}/admin.sock\n" + settings, **options)
    return broker, Operator(broker)
