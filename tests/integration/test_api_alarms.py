"""Alarms by the API: who sees which, what each may do, and what is refused with which sentence."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.api.access import COOKIE, PAGE_HEADER
from tests.support.alarm_served import RAISED_US, alarms, sent, text_of
from tests.support.served import TOKENS, Api

__all__ = ["alarms"]

Alarms = tuple[Api, dict[str, int]]


def soon(**length: int) -> str:
    return (datetime.now(UTC) + timedelta(**length)).isoformat()


async def test_each_role_sees_the_alarms_that_are_its_own(alarms: Alarms) -> None:
    api, ids = alarms

    seen = {
        role: {row["rule"] for row in (await api.api("alarms", role)).body["alarms"]}
        for role in ("operator", "officer", "tenant")
    }
    hidden = [(await api.api(f"alarms/{ids[rule]}", "tenant")).status for rule in ("cod-limit", "lag")]
    hidden.append((await api.api(f"alarms/{ids['power-high']}", "officer")).status)
    hidden.append((await api.api(f"alarms/{ids['cod-limit']}/transitions", "tenant")).status)

    assert seen == {
        "operator": {"cod-limit", "ph-low", "power-high", "lag"},
        "officer": {"cod-limit", "ph-low"},
        "tenant": {"power-high"},
    }
    assert set(hidden) == {404}
    assert (await api.api("alarms", None)).status == 401


async def test_an_alarm_says_what_where_how_much_and_what_may_be_done(alarms: Alarms) -> None:
    api, ids = alarms

    answer = await api.api(f"alarms/{ids['cod-limit']}", "officer")

    body = answer.body
    assert answer.headers["etag"] == '"1"'
    assert (body["name"], body["severity"], body["state"]) == ("COD above its limit", "high", "returned_unacked")
    assert body["place"].endswith("Meter outlet, Chemical oxygen demand, hour mean")
    assert body["episode"] == {
        "start": "2026-03-02T10:00:00+07:00",
        "stop": "2026-03-02T11:00:00+07:00",
        "is_over": True,
        "peak": 150.0,
        "peak_at": "2026-03-02T11:00:00+07:00",
        "bound": 100.0,
        "unit": "mg/L",
    }
    assert body["acts"] == ["acknowledge", "shelve", "shelve_once", "take_out", "comment"]
    assert (await api.api(f"alarms/{ids['power-high']}", "tenant")).body["acts"] == ["comment"]


async def test_alarms_are_narrowed_and_paged(alarms: Alarms) -> None:
    api, _ = alarms

    async def rules(**query: Any) -> list[str]:
        return [row["rule"] for row in (await api.api("alarms", **query)).body["alarms"]]

    first = (await api.api("alarms", limit=3)).body
    rest = (await api.api("alarms", limit=3, after=first["next"])).body

    assert await rules(state="returned_unacked") == ["cod-limit"]
    assert set(await rules(category=["system", "exceedance"])) == {"cod-limit", "lag"}
    assert set(await rules(severity="high")) == {"cod-limit", "lag"}
    assert await rules(target="p/alpha") == ["power-high"]
    assert await rules(inhibited=True) == []
    assert len(first["alarms"]) == 3
    assert (len(rest["alarms"]), rest["next"]) == (1, None)
    assert (await api.api("alarms", park="nowhere")).status == 404
    for wrong in ("x", "", "=", "\u00e9", first["next"][:-2], first["next"] + "AAAA", "W10"):
        assert (await api.api("alarms", after=wrong)).status == 422


async def test_acknowledging_needs_the_version_that_was_seen(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"alarms/{ids['cod-limit']}/acts"

    without = await sent(api, "POST", path, {"act": "acknowledge"})
    old = await sent(api, "POST", path, {"act": "acknowledge"}, if_match='"0"')
    nonsense = await sent(api, "POST", path, {"act": "acknowledge"}, if_match="W/x")
    done = await sent(api, "POST", path, {"act": "acknowledge"}, "officer", if_match='"1"')
    again = await sent(api, "POST", path, {"act": "acknowledge"}, if_match='"1"')
    journal = (await api.api(f"alarms/{ids['cod-limit']}/transitions")).body["transitions"]

    assert [one.status for one in (without, old, nonsense, done, again)] == [428, 412, 412, 200, 412]
    assert "changed since you have seen it" in old.body["detail"]
    assert (done.body["state"], done.body["version"], done.headers["etag"]) == ("normal", 2, '"2"')
    assert [(line["step"], line["actor"]) for line in journal] == [
        ("acknowledge", "officer"),
        ("clear", "engine"),
        ("raise", "engine"),
    ]


async def test_of_two_who_act_on_the_same_version_one_is_told_to_read_again(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"alarms/{ids['ph-low']}/acts"

    both = await asyncio.gather(
        *(
            sent(api, "POST", path, {"act": "comment", "text": "I look"}, role, if_match='"1"')
            for role in TOKENS
            if role != "tenant"
        )
    )
    whatever = await sent(api, "POST", path, {"act": "comment", "text": "me too"}, if_match="*")

    assert sorted(one.status for one in both) == [200, 412]
    assert (whatever.status, whatever.body["version"]) == (200, 3)


async def test_what_makes_no_sense_is_refused_with_a_sentence(alarms: Alarms) -> None:
    api, ids = alarms

    async def said(rule: str, **act: str) -> str:
        answer = await sent(api, "POST", f"alarms/{ids[rule]}/acts", act, if_match='"1"')
        assert answer.status == 422, answer.body
        return str(answer.body["detail"])

    assert "not acknowledged yet" in await said("cod-limit", act="reset")
    assert "no shelf to end" in await said("ph-low", act="unshelve")
    assert "a reason is needed to shelve it" in await said("ph-low", act="shelve", until=soon(hours=1))
    assert "a time at which it ends" in await said("ph-low", act="shelve", text="cleaning")
    assert "within 7 days" in await said("ph-low", act="shelve", text="cleaning", until=soon(days=8))
    assert "a text is needed for a comment" in await said("ph-low", act="comment", text="  ")
    assert "until" in await said("ph-low", act="shelve", text="cleaning", until="tomorrow")
    assert "act" in await said("ph-low", act="escalate")


async def test_an_alarm_is_shelved_and_taken_out_and_comes_back(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"alarms/{ids['ph-low']}/acts"

    shelved = await sent(
        api, "POST", path, {"act": "shelve", "text": "probe is cleaned", "until": soon(hours=2)}, if_match='"1"'
    )
    back = await sent(api, "POST", path, {"act": "unshelve"}, if_match='"2"')
    out = await sent(api, "POST", path, {"act": "take_out", "text": "probe is broken"}, if_match='"3"')
    put = await sent(api, "POST", path, {"act": "put_back", "text": "new probe"}, if_match='"4"')

    assert (shelved.body["inhibit"], shelved.body["state"]) == ("shelved", "active_unacked")
    assert shelved.body["until"] is not None
    assert back.body["inhibit"] == "none"
    assert out.body["inhibit"] == "out_of_service"
    assert (put.body["inhibit"], put.body["version"]) == ("none", 5)


async def test_a_tenant_comments_and_does_nothing_else(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"alarms/{ids['power-high']}/acts"

    refused = await sent(api, "POST", path, {"act": "acknowledge"}, "tenant", if_match='"1"')
    commented = await sent(api, "POST", path, {"act": "comment", "text": "a test run"}, "tenant", if_match='"1"')
    others = await sent(
        api, "POST", f"alarms/{ids['lag']}/acts", {"act": "comment", "text": "?"}, "tenant", if_match='"1"'
    )

    assert (refused.status, commented.status, others.status) == (403, 200, 404)
    journal = (await api.api(f"alarms/{ids['power-high']}/transitions", "tenant")).body["transitions"]
    assert [(line["step"], line["actor"], line["text"]) for line in journal] == [("comment", "tenant", "a test run")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({PAGE_HEADER: "1", "Sec-Fetch-Site": "same-origin"}, 200),
        ({PAGE_HEADER: "1", "Origin": "http://kawasan.test"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 401),
        ({PAGE_HEADER: "1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({PAGE_HEADER: "1", "Sec-Fetch-Site": "same-site"}, 403),
        ({PAGE_HEADER: "1", "Origin": "http://evil.test"}, 403),
        ({PAGE_HEADER: "1"}, 403),
    ],
)
async def test_the_cookie_of_the_page_acts_only_from_the_page_itself(
    alarms: Alarms, headers: dict[str, str], status: int
) -> None:
    api, ids = alarms
    cookie = {"Cookie": f"{COOKIE}={TOKENS['operator']}", "If-Match": '"1"'}

    answer = await api.client.post(
        f"/api/v1/alarms/{ids['ph-low']}/acts", json={"act": "acknowledge"}, headers={**cookie, **headers}
    )

    assert answer.status_code == status, answer.text


async def test_the_cookie_changes_nothing_but_alarms(alarms: Alarms) -> None:
    api, _ = alarms
    headers = {"Cookie": f"{COOKIE}={TOKENS['operator']}", PAGE_HEADER: "1", "Sec-Fetch-Site": "same-origin"}

    answer = await api.client.post("/api/v1/periods", json={"park": "p", "month": "2026-03"}, headers=headers)

    assert answer.status_code == 401


async def test_what_was_judged_is_shown_window_by_window(alarms: Alarms) -> None:
    api, ids = alarms

    answer = await api.api(
        f"alarms/{ids['cod-limit']}/judgements", start="2026-03-02T00:00:00+07:00", stop="2026-03-03T00:00:00+07:00"
    )

    assert answer.body["unit"] == "mg/L"
    assert [(row["greatest"], row["highest"], row["verdict"], row["status"]) for row in answer.body["judgements"]] == [
        (150.0, 100.0, "beyond", "valid"),
        (50.0, 100.0, "clear", "valid"),
    ]
    assert answer.body["complete"]
    assert text_of(RAISED_US) == "2026-03-02T04:00:00Z"
