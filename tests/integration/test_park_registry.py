"""The registry that is made of a park file without a database is the one that the database makes of it."""

from dataclasses import replace

from domain.parkregistry import registry_of
from domain.registry import Registry
from domain.watches import all_targets
from service.cli.parks import example_park
from store import Role, connect, load_registry
from tests.support.databases import apply_to


def by_keys(registry: Registry) -> dict[str, object]:
    """What a registry says, with keys in place of ids."""
    tenants = {one.id: one.key for one in registry.tenants}
    meters = {one.id: f"{tenants[one.tenant_id]}/{one.key}" for one in registry.meters}
    channels = {one.id: one.key for one in registry.channels}
    return {
        "park": replace(registry.park, id=0, version=0),
        "tenants": {replace(one, id=0) for one in registry.tenants},
        "meters": {
            (meters[one.id], meters.get(one.parent_id or 0), replace(one, id=0, tenant_id=0, parent_id=None))
            for one in registry.meters
        },
        "channels": {
            (
                meters[one.meter_id],
                tuple(channels[made] for made in one.inputs or ()),
                replace(one, id=0, meter_id=0, inputs=None),
            )
            for one in registry.channels
        },
        "rules": {(channels[one.channel_id], replace(one, id=0, channel_id=0)) for one in registry.rules},
        "alarms": [
            (one.key, one.version, one.entry, one.origin, one.valid_from_us, one.valid_to_us)
            for one in registry.alarm_rules
        ],
        "targets": [targets for _, targets in all_targets(registry)],
        "contacts": {one.key: one for one in registry.contacts},
    }


def test_a_park_file_is_the_registry_that_the_database_makes_of_it(timescale_url: str) -> None:
    park = example_park()
    apply_to(timescale_url, park)

    with connect(timescale_url, Role.WRITE) as conn:
        loaded = load_registry(conn, "karawang")

    assert by_keys(registry_of(park)) == by_keys(loaded)
