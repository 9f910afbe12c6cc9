"""Private instances of PostgreSQL and an MQTT broker, for the demo and for tests.

Both are children of ours in folders of ours; what the machine runs itself is never touched.
"""

from service.embedded.broker import BrokerKind, PrivateBroker, find_broker
from service.embedded.installations import Installation, find_installations
from service.embedded.postgres import PrivatePostgres

__all__ = ["BrokerKind", "Installation", "PrivateBroker", "PrivatePostgres", "find_broker", "find_installations"]
