"""The configurations that are measured, written as an admin would write them: one for each of W1 to W5."""
import dataclasses
import subprocess

TYPE = "gov.public_security.v1.ResidenceRegistered"
FIELDS = ["resident", "address", "kind", "relation", "registered_at", "organ", "household_number", "previous_division",
          "entry_number"]
WESTLAKE = "330106"  # the division of W1's messages


@dataclasses.dataclass
class Route:
    name: str
    publisher: str
    receivers: list          # systems, each with an agreement of its own
    when: str
    mappings: list = dataclasses.field(default_factory=list)  # (type, {field: expression}) for each receiver, or none: as it is


@dataclasses.dataclass
class Bus:
    """Who publishes what to whom. Every publisher sends messages of `divisions` by turns."""
    name: str
    publishers: list
    receivers: list
    routes: list
    divisions: list
    copies: int = 1          # deliveries that one message makes

    def systems(self):
        return self.publishers + self.receivers


def w1():
    return Bus("w1", ["public_security/population"], ["housing/tenancy"],
               [Route("w1", "public_security/population", ["housing/tenancy"], starts_with(WESTLAKE))], [WESTLAKE])


# The address text is nearly all of a payload, so each department gets about as many bytes as were sent.
MAPPINGS = [
    ("gov.housing.v1.OccupancyNotice", {
        "citizen_number": "msg.resident.citizen_number", "unit_code": "msg.address.text", "since": "msg.registered_at"}),
    ("gov.civil_affairs.v1.ResidenceNotice", {
        "citizen_number": "msg.resident.citizen_number", "division": "msg.address.division", "address": "msg.address.text",
        "since": "msg.registered_at"}),
    ("gov.public_security.v1.ResidenceRegistered", {
        "resident.citizen_number": "msg.resident.citizen_number", "kind": "msg.kind", "address.division": "msg.address.division",
        "address.text": "msg.address.text", "registered_at": "msg.registered_at"}),
]


def w2():
    receivers = ["housing/tenancy", "civil_affairs/registration", "statistics/residents"]
    return Bus("w2", ["public_security/population"], receivers,
               [Route("w2", "public_security/population", receivers, starts_with(WESTLAKE), MAPPINGS)], [WESTLAKE], copies=3)


def w3():
    receivers = [f"housing/office{i:02}" for i in range(10)]
    divisions = [f"3301{i + 1:02}" for i in range(10)]
    return Bus("w3", ["public_security/population"], receivers,
               [Route(f"w3-{i:02}", "public_security/population", [receivers[i]], starts_with(divisions[i])) for i in range(10)],
               divisions)


def w4(pairs=100):
    publishers = [f"public_security/station{i:03}" for i in range(pairs)]
    receivers = [f"housing/office{i:03}" for i in range(pairs)]
    return Bus("w4", publishers, receivers,
               [Route(f"w4-{i:03}", publishers[i], [receivers[i]], starts_with(WESTLAKE)) for i in range(pairs)], [WESTLAKE])


BUSES = {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w1}


def starts_with(division):
    return f'msg.address.division.startsWith("{division}")'


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def route_text(route):
    text = f"  - name: {route.name}\n    on: {TYPE}\n    from: {route.publisher}\n    when: {route.when}\n    to:\n"
    for i, receiver in enumerate(route.receivers):
        text += f"      - system: {receiver}\n        agreement: {route.name}-{i}\n"
        if route.mappings:
            kind, fields = route.mappings[i]
            text += f"        as: {kind}\n        map:\n" + nested(fields, 10)
    return text


def nested(fields, indent):
    """{"a.b": x, "a.c": y} as YAML: a: {b: x, c: y}, each on a line of its own."""
    text, inner = "", {}
    for path, expression in fields.items():
        head, _, rest = path.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = expression
        else:
            text += f"{' ' * indent}{head}: {expression}\n"
    for head, below in inner.items():
        text += f"{' ' * indent}{head}:\n" + nested(below, indent + 2)
    return text


def agreement_text(route, i):
    kind, fields = route.mappings[i] if route.mappings else (TYPE, dict.fromkeys(FIELDS))
    listed = sorted({path.partition(".")[0] for path in fields}) if route.mappings else FIELDS
    return f"""agreement: {route.name}-{i}
title: benchmark
provider: {route.publisher}
receiver: {route.receivers[i]}
type: {kind}
fields: [{', '.join(listed)}]
purpose: benchmark
basis: none
from: 2020-01-01
until: 2099-12-31
contact: none
"""


def agency_texts(systems, keys):
    texts = {}
    for system in systems:
        agency, _, name = system.partition("/")
        text = texts.setdefault(agency, f"agency: {agency}\ntitle: {agency}\nsystems:\n")
        text += f"  - name: {name}\n    title: {name}\n"
        if keys:
            text += f"    key_files: [keys/{agency}-{name}]\n"
        texts[agency] = text
    return texts


def write_conf(bus, folder, catalogue, endpoint, keygen=None, settings="", journal=None):
    """broker.yaml and all it names, in folder/conf. `keygen`: the program that makes keys; None: no CURVE. `journal`: its
    lines, instead of a journal in files there. Returns conf."""
    conf = folder / "conf"
    write(conf / "broker.yaml", f"""listen: {endpoint}
curve: {'true' if keygen else 'false'}
key_file: keys/broker_secret
catalogue: {catalogue}
codes: codes
agencies: agencies
agreements: agreements
routes: routes
log_level: info
journal:
{journal or f'  folder: {folder}/journal'}
{settings}""")
    for name in ("codes", "keys"):
        (conf / name).mkdir()
    if keygen:
        for name in ["broker"] + [system.replace("/", "-") for system in bus.systems()]:
            subprocess.run([keygen, "keys", "generate", "-o", conf / "keys", name], check=True, stdout=subprocess.DEVNULL)
    for agency, text in agency_texts(bus.systems(), keygen).items():
        write(conf / f"agencies/{agency}.yaml", text)
    for route in bus.routes:
        for i in range(len(route.receivers)):
            write(conf / f"agreements/{route.name}-{i}.yaml", agreement_text(route, i))
    write(conf / "routes/routes.yaml", "routes:\n" + "".join(route_text(route) for route in bus.routes))
    return conf
