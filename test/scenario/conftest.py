import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


@pytest.fixture(autouse=True)
def no_broker_stays():
    from hutong_bus import Broker
    count = len(Broker.started)
    yield
    Broker.end_those_since(count)


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run with the sanitizers' builds (scripts/test --all)")
