"""A queue that several instances share, with real processes: order per subject, no loss, and counts that survive kill -9."""
import collections
import itertools
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from client.bus_client import Client, bus
from hutong_bus import Broker, wait_until
from messages import module

pytestmark = pytest.mark.sanitize

residence = module("gov.public_security.v1.residence")
PS, HOUSING = "public_security/population", "housing/tenancy"
SUBJECTS = 20


def envelope(subject, number):
    message = residence.ResidenceRegistered(kind=residence.ResidenceRegistered.MOVE_IN)
    message.resident.citizen_number = f"{subject:018d}"
    message.address.unit_code = "U"
    return bus.Envelope(id=f"{subject}-{number}", type="gov.public_security.v1.ResidenceRegistered", time_us=1,
                        payload=message.SerializeToString())


# ---- Instances: processes of this file ----

def receive(endpoint, instance, path):
    """Handles what comes: one line "id attempt" an effect, written before it is settled. Some fail at first."""
    dice = random.Random(instance)
    failed = set()
    with open(path, "a", encoding="ascii") as effects, Client(endpoint) as client:
        client.hello(HOUSING, instance=instance, receive=True, credit=(50, 1 << 20))
        print("ready", flush=True)
        done = 0
        while True:
            client.wait_deliveries(1)
            settled, failures = [], []
            for delivery in client.deliveries:
                if delivery.attempt == 1 and delivery.position not in failed and dice.random() < 0.1:
                    failed.add(delivery.position)
                    failures.append(bus.Failure(position=delivery.position, retry_after_ms=1 + int(dice.random() * 30)))
                    continue
                effects.write(f"{delivery.envelope.id} {delivery.attempt}\n")
                settled.append(delivery.position)
            effects.flush()
            client.deliveries.clear()
            client.settle(*settled, failures=failures)
            done += len(settled) + len(failures)
            client.grant(50 + done, 1 << 30)


class Instance:
    def __init__(self, broker, name, folder):
        self.path = folder / f"{name}.effects"
        self.process = subprocess.Popen(
            [sys.executable, __file__, broker.endpoint, name, str(self.path)],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)})
        assert self.process.stdout.readline() == b"ready\n"

    def effects(self):
        """(subject, number, attempt) of each whole line."""
        lines = self.path.read_text().split("\n")[:-1] if self.path.exists() else []
        return [(*map(int, line.split()[0].split("-")), int(line.split()[1])) for line in lines]

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def instances():
    started = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def publish(broker, numbers):
    with Client(broker.endpoint) as client:
        client.hello(PS)
        for number in numbers:
            last = client.publish(*[envelope(subject, number) for subject in range(SUBJECTS)])
        assert client.wait_accepted(last)
        assert not client.refusals


def firsts_in_order(effects):
    """Of each subject, the first effects of its numbers rise."""
    seen = collections.defaultdict(list)
    for subject, number, _ in effects:
        if number not in seen[subject]:
            seen[subject].append(number)
    return all(numbers == sorted(numbers) for numbers in seen.values())


def test_three_share_one_is_killed(tmp_path, instances):
    with Broker(tmp_path) as broker:
        for name in ("one", "two", "three"):
            instances.append(Instance(broker, name, tmp_path))
        publish(broker, range(1, 41))
        wait_until(lambda: len(instances[1].effects()) > 20, "the second one works")
        instances[1].end(signal.SIGKILL)
        publish(broker, range(41, 81))
        instances.append(Instance(broker, "four", tmp_path))
        numbers = itertools.count(81)

        def each_has_a_share():
            publish(broker, itertools.islice(numbers, 20))  # enough for all to have work at once
            return all(len(one.effects()) > 50 for one in (instances[0], instances[2], instances[3]))

        wait_until(each_has_a_share, "each of those that are left has a share", 60)
        beyond = next(numbers)
        expected = {(subject, number) for subject in range(SUBJECTS) for number in range(1, beyond)}

        def all_there():
            return {effect[:2] for one in instances for effect in one.effects()} >= expected

        wait_until(all_there, "every message had its effect", 60)
        work = [one.effects() for one in instances]
        assert all(firsts_in_order(effects) for effects in work)
        # What had an effect at two: only what was in flight at the killed one, and there it was the last of its subject.
        owners = collections.defaultdict(list)
        for one, effects in enumerate(work):
            for subject, number, attempt in effects:
                owners[subject, number].append((one, attempt))
        for (subject, number), of in owners.items():
            assert len(of) == 1 or 1 in [one for one, _ in of], (subject, number, of)
            if len(of) > 1:
                assert max(n for s, n, _ in work[1] if s == subject) == number
                assert sorted(attempt for _, attempt in of)[-1] > 1
        # Nothing of a subject came anywhere before an earlier one of it had its effect: by the positions' own order.
        assert broker.stop() == 0, broker.log()


def test_failures_count_on_after_kill_9(tmp_path):
    """Two retries, then kill -9 of the broker: the third failure is the third, and it comes when it was due."""
    with Broker(tmp_path) as broker:
        with Client(broker.endpoint) as publisher:
            publisher.hello(PS)
            assert publisher.wait_accepted(publisher.publish(envelope(1, 1), envelope(1, 2), envelope(2, 1)))
        client = Client(broker.endpoint)
        client.hello(HOUSING, receive=True)

        def next_delivery(of):
            assert client.pump(lambda: any(d.envelope.id == of for d in client.deliveries)), of
            delivery = next(d for d in client.deliveries if d.envelope.id == of)
            client.deliveries.remove(delivery)
            return delivery

        first = next_delivery("1-1")
        client.settle(next_delivery("2-1").position,
                      failures=[bus.Failure(position=first.position, retry_after_ms=1, text="down")])
        again = next_delivery("1-1")
        assert again.position == first.position and again.attempt == 2
        failed_at = time.monotonic()
        client.settle(failures=[bus.Failure(position=first.position, retry_after_ms=3000, text="still down")])
        client.pump(lambda: False, 0.3)
        broker.kill()
        client.close(bye=False)
        broker.start()
        client = Client(broker.endpoint)
        client.hello(HOUSING, receive=True)
        third = next_delivery("1-1")
        assert time.monotonic() - failed_at > 2.9  # not earlier than it was due
        assert third.attempt == 3
        assert not client.deliveries  # 1-2 waits behind it, also now
        # The route allows three retries: the fourth failure is the last, counted over both processes.
        client.settle(failures=[bus.Failure(position=first.position, retry_after_ms=1, text="down again")])
        fourth = next_delivery("1-1")
        assert fourth.attempt == 4
        client.settle(failures=[bus.Failure(position=first.position, retry_after_ms=1, text="no more")])
        second = next_delivery("1-2")
        assert second.attempt == 1 or second.attempt == 2  # an earlier process may have sent it: it can't know
        client.settle(second.position)
        client.pump(lambda: False, 0.2)
        client.close()
        assert broker.stop() == 0, broker.log()


if __name__ == "__main__":
    receive(*sys.argv[1:])
