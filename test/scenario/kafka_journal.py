"""A process that uses broker/kafka on a real Kafka (broker/kafka/driver_tool.c), a command at a time.

    with Driver(kafka, "bus1", "one") as one:
        one("make", 2, 1, "housing/tenancy")
        one.commit(("bus1.to.housing.tenancy", 0, "key", "value"))
"""
import contextlib
import itertools
import signal
import subprocess
import tempfile

from hutong_bus import BUILD
from patience import Patience

TENANCY = "housing/tenancy"
PATIENCE = 90  # seconds for anything that must happen
WRONG, FENCED, FULL = 2, 3, 5  # broker/kafka/cluster.h

names = (f"bus{n}" for n in itertools.count())


class Failed(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code, self.text = int(code), text


class Driver:
    def __init__(self, kafka, prefix, name):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([BUILD / "bin" / "kafka-journal-driver", kafka.bootstrap, prefix, name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline().rstrip("\n")
        assert line, f"the driver ended: {self.said()}"
        verdict, _, rest = line.partition(" ")
        if verdict != "ok":
            raise Failed(*rest.partition(" ")[::2])
        return rest

    def __call__(self, *words):
        self.say(*words)
        return self.hear()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    # ---- What is done often ----

    def put(self, *records):
        for record in records:
            self("put", *record)

    def commit(self, *records):
        """All in one batch. (Committed so far, aborted so far, refused parts)."""
        self.put(*records)
        self("start")
        committed, again, *refused = map(int, self("collect").split())
        return committed, again, refused

    def event(self, *kinds, without=("end", "trouble"), patience=PATIENCE):
        """The next of these kinds, as a list of words; others than `without` fail."""
        patience = Patience(patience)
        while not patience.over():
            words = self("next", 500).split(" ")
            if words[0] in kinds:
                return words
            assert words[0] in (*without, "nothing"), f"{words} came instead of {kinds}"
        raise AssertionError(f"none of {kinds} came: {self.said()}")

    def join(self, topic, offset=None):
        """In the group and started; the partitions with their committed offsets."""
        self("join", topic)
        return self.go_on(offset)

    def go_on(self, offset=None):
        partitions = self.event("assigned")[1:]
        self("begin", *(f"{p.split(':')[0]}:{p.split(':')[1] if offset is None else offset}" for p in partitions))
        return dict(tuple(map(int, p.split(":"))) for p in partitions)

    def records(self, count):
        """(partition, offset, key, value, by) each."""
        return [(int(p), int(o), *rest) for _, p, o, *rest in (self.event("record") for _ in range(count))]

    def nothing_more(self, ms=1500):
        while (words := self("next", ms).split(" "))[0] in ("end", "trouble"):
            pass
        return words == ["nothing"]

    def answered(self, *tokens):
        """Works on until all these questions are answered."""
        patience, left = Patience(PATIENCE), set(map(str, tokens))
        while left:
            assert not patience.over(), f"{left} are not answered: {self.said()}"
            left.discard(self("work", 500))

    # ---- Its process ----

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
            assert failed or code in (0, -signal.SIGKILL), self.said()  # a sanitizer may have found something
        finally:
            self.kill()
            self.process.stdout.close()
            self.log.close()


class Bus:
    """Topics of its own, on the session's Kafka or another."""

    def __init__(self, kafka, partitions=2, replication=1):
        self.kafka, self.prefix = kafka, next(names)
        self.wanted = (partitions, replication, TENANCY)
        self.to = f"{self.prefix}.to.housing.tenancy"
        self.state = f"{self.prefix}.state"

    def driver(self, name="one"):
        return Driver(self.kafka, self.prefix, name)

    @contextlib.contextmanager
    def drivers(self, *given):
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.driver(name)) for name in given]

    def made(self):
        with self.driver() as one:
            one("make", *self.wanted)
        return self
