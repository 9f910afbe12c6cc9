"""Park files as text, for tests that break one thing in them."""

from textwrap import dedent

RIGHT = dedent("""
    park:
      key: estate
      name: An estate
      timezone: Asia/Jakarta
      valid_from: 2026-01-01T00:00:00+07:00
    tenants:
      - key: _park
        name: The operator
        meters:
          - key: bulk
            name: Bulk supply
            role: supply
            channels:
              - {quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1, digits: 9, max_rate: 9000}
          - key: outlet
            name: Outlet to the river
            role: outlet
            channels:
              - {quantity: effluent_flow, kind: gauge, interval_s: 120}
              - {quantity: ph, kind: gauge, interval_s: 120}
              - {quantity: cod, kind: gauge, interval_s: 120}
      - key: alpha
        name: Alpha
        meters:
          - key: main
            name: Incoming electricity
            role: use
            parent: _park/bulk
            channels:
              - {quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1, digits: 8, max_rate: 2000}
              - {quantity: power, kind: gauge, interval_s: 60}
          - key: press
            name: Press shop
            role: use
            parent: alpha/main
            channels:
              - {quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1, max_rate: 500}
          - key: water
            name: Water intake
            role: use
            channels:
              - {quantity: water_in, kind: register, interval_s: 300, resolution: 0.01, max_rate: 30}
      - key: beta
        name: Beta
        meters:
          - key: main
            name: Incoming electricity
            role: use
            parent: _park/bulk
            channels:
              - {quantity: energy_import, kind: interval, interval_s: 900, stamp: end}
    rules:
      - key: ph_outlet
        meter: _park/outlet
        quantity: ph
        statistic: range
        window: base
        lowest: 6
        highest: 9
        legal_basis: a rule for tests
      - key: cod_outlet
        meter: _park/outlet
        quantity: cod
        statistic: mean
        window: day
        highest: 100
        legal_basis: a rule for tests
""")


def changed(old: str, new: str, text: str = RIGHT) -> str:
    """The text with the first `old`, which has to be there, changed to `new`."""
    if old not in text:
        raise AssertionError(f"{old!r} is not in the park file")
    return text.replace(old, new, 1)
