import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "kafka")]


@pytest.fixture(autouse=True)
def no_broker_stays():
    from hutong_bus import Broker
    count = len(Broker.started)
    yield
    Broker.end_those_since(count)


@pytest.fixture(scope="session")
def kafka():
    """One real Kafka for all scenarios of a session; each makes topics of its own."""
    import server
    from databases import missing
    reason = server.unavailable()
    if reason:
        missing(f"Kafka ({reason})")
    with server.Cluster(secure=True) as cluster:
        yield cluster


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run with the sanitizers' builds (scripts/test --all)")
    config.addinivalue_line("markers", "xdist_group(name): one worker runs all of a group")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """One process runs all that need the session's Kafka, where there are several."""
    for item in items:
        if "kafka" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("kafka"))
