"""Parks for the public meter data, as their mappings in deploy/mappings expect them."""

from typing import Any

from domain.parkfile import ParkFile

START = "1989-12-01T00:00:00+00:00"


def _park(
    key: str, timezone: str, base_minutes: int, tenants: list[dict[str, Any]], *rules: dict[str, Any]
) -> ParkFile:
    return ParkFile.model_validate(
        {
            "park": {
                "key": key,
                "name": key.title(),
                "timezone": timezone,
                "base_minutes": base_minutes,
                "valid_from": START,
            },
            "tenants": tenants,
            "rules": list(rules),
        }
    )


def _register(quantity: str) -> dict[str, Any]:
    return {"quantity": quantity, "kind": "register", "interval_s": 900, "resolution": 0.01, "max_rate": 5000.0}


def _mean(quantity: str, interval_s: int, **rest: Any) -> dict[str, Any]:
    return {"quantity": quantity, "kind": "gauge", "statistic": "mean", "interval_s": interval_s, **rest}


def steelworks() -> ParkFile:
    """One tenant with one electricity meter: import, reactive lagging and leading."""
    quantities = ("energy_import", "energy_reactive_lagging", "energy_reactive_leading")
    meter = {"key": "main", "name": "Supply", "role": "use", "channels": [_register(one) for one in quantities]}
    return _park("steelworks", "Asia/Seoul", 15, [{"key": "steel", "name": "Steel", "meters": [meter]}])


def treatment_plant() -> ParkFile:
    """The outlet of a plant with daily means, and limits as the worked values of the catalogue have them."""
    channels = [_mean(one, 86_400) for one in ("effluent_flow", "bod", "cod", "tss", "ph")]
    meter = {"key": "outlet", "name": "Outlet", "role": "outlet", "channels": channels}

    def rule(key: str, quantity: str, statistic: str, **limits: float) -> dict[str, Any]:
        return {
            "key": key,
            "meter": "_park/outlet",
            "quantity": quantity,
            "statistic": statistic,
            "window": "day",
            "legal_basis": "worked example, not a legal limit",
            **limits,
        }

    return _park(
        "plant",
        "Etc/GMT-1",
        60,
        [{"key": "_park", "name": "Operator", "meters": [meter]}],
        rule("bod", "bod", "mean", highest=50.0),
        rule("cod", "cod", "mean", highest=100.0),
        rule("ss", "tss", "mean", highest=150.0),
        rule("ph", "ph", "range", lowest=6.0, highest=9.0),
    )


def districts() -> ParkFile:
    """Five water districts with hourly mean inflows in L/s."""
    tenants = [
        {
            "key": f"dma-{number}",
            "name": f"District {number}",
            "meters": [
                {
                    "key": "inflow",
                    "name": "Inflow",
                    "role": "use",
                    "channels": [_mean("water_flow", 3600, unit="L/s")],
                }
            ],
        }
        for number in ("01", "03", "05", "07", "09")
    ]
    return _park("districts", "Europe/Rome", 60, tenants)
