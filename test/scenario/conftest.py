import os
import pathlib
import sys

import pytest

NEEDS_REAL = "needs a real Kafka"
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "kafka")]


@pytest.fixture(autouse=True)
def no_process_stays():
    from departments import Adapter
    from hutong_bus import Broker
    counts = [(kind, len(kind.started)) for kind in (Adapter, Broker)]
    yield
    for kind, count in counts:
        kind.end_those_since(count)


def no_real_kafka():
    """Why there is none, or None."""
    import server
    return "HUTONG_KAFKA_MOCK is set" if os.environ.get("HUTONG_KAFKA_MOCK") else server.unavailable()


@pytest.fixture(scope="session")
def kafka():
    """One Kafka for all scenarios of a session; each makes topics of its own. Where there can be no real one and HUTONG_REQUIRE_REAL
    is not set: librdkafka's mock cluster."""
    import mock
    import server
    from databases import missing
    reason = no_real_kafka()
    if reason and (os.environ.get("HUTONG_REQUIRE_REAL") or mock.unavailable()):
        missing(f"Kafka ({reason})")
    with mock.Cluster() if reason else server.Cluster(secure=True) as cluster:
        yield cluster


@pytest.fixture
def may_start_kafka():
    """For those that start a real cluster of their own."""
    from databases import missing
    reason = no_real_kafka()
    if reason:
        missing(f"Kafka ({reason})")


@pytest.fixture
def real_kafka(kafka):
    """For what the mock can't prove."""
    if getattr(kafka, "mock", False):
        pytest.skip(NEEDS_REAL)
    return kafka


@pytest.fixture
def kafka_of_its_own():
    """For what starts a real one itself: whether that can be."""
    from databases import missing
    reason = no_real_kafka()
    if reason and os.environ.get("HUTONG_REQUIRE_REAL"):
        missing(f"Kafka ({reason})")
    if reason:
        pytest.skip(f"{NEEDS_REAL} of its own")


def pytest_terminal_summary(terminalreporter):
    skipped = [report.nodeid for report in terminalreporter.stats.get("skipped", []) if NEEDS_REAL in str(report.longrepr)]
    if skipped:
        terminalreporter.section("NO REAL KAFKA", red=True)
        terminalreporter.line(f"{no_real_kafka()}: the Kafka scenarios ran on librdkafka's mock cluster, and "
                              f"{len(skipped)} SKIPPED: {', '.join(skipped)}")


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run with the sanitizers' builds (scripts/test --all)")
    config.addinivalue_line("markers", "xdist_group(name): one worker runs all of a group")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """One process runs all that need the session's Kafka, where there are several; a bus that stands on it has another one."""
    for item in items:
        if "kafka" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("bus on kafka" if "shared" in item.fixturenames else "kafka"))
