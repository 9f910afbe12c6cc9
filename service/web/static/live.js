// The live page: asks once what there is, then listens to the stream and shows what changes.

import { Alarms } from "./alarms.js";
import { Chart } from "./chart.js";
import { Outlet } from "./outlet.js";
import { Tenants } from "./tenants.js";
import { age, DASH, localTime, number, percent } from "./text.js";
import { Tile } from "./tiles.js";

const STALE_S = 180;
const BARS_EVERY_S = 60;
const BARS_LEAST_S = 8;
const AGAIN_S = 5;
const SETTLED_S = 120;
const byId = (id) => document.getElementById(id);

async function ask(path, parameters = {}) {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Error(`${path}: ${(await answer.json()).detail}`);
  return answer.json();
}

function known(row) {
  if (!row) return { value: null, note: "", tone: "" };
  const coverage = row.total_coverage ?? 0;
  if (row.value !== null) return { value: row.value, note: "", tone: "" };
  if (row.measured === null) return { value: null, note: (row.reason ?? "").replaceAll("_", " "), tone: "" };
  return { value: row.measured, note: `measured so far, ${percent(coverage, 0)} of the day known`, tone: "warn" };
}

class Page {
  constructor(park, tenants, channels) {
    this.park = park;
    this.role = document.body.dataset.role;
    this.isOfficer = this.role === "officer";
    this.subject = this.role === "tenant" && tenants.length ? `tenant:${park.key}/${tenants[0].key}` : `park:${park.key}`;
    this.time = localTime(park.timezone);
    this.kpis = new Map();
    this.newest = null;
    this.flow = null;
    this.barsAt = 0;
    this.barsAreOld = false;
    byId("place").textContent = this.role === "tenant" && tenants.length ? `${tenants[0].name} · ${park.name}` : park.name;
    this.makeTiles();
    this.alarms = new Alarms(park);
    this.outlet = new Outlet(byId("gauges"), byId("basis"), channels);
    byId("outlet-card").hidden = !this.outlet.any;
    this.tenants = new Tenants(byId("columns"), byId("rows"), tenants, this.isOfficer);
    byId("tenants-card").hidden = !tenants.length;
    if (!this.isOfficer) {
      byId("chart-card").hidden = false;
      this.chart = new Chart(byId("plot"), park.timezone);
    }
  }

  makeTiles() {
    const parent = byId("tiles");
    const tile = (key, title) => new Tile(parent, key, title);
    const of = this.role === "tenant" ? "" : "Park ";
    this.tiles = this.isOfficer
      ? { compliance: tile("compliance", "Compliance today"), cod: tile("cod", "COD load to the river, today"), flow: tile("flow", "Newest reading") }
      : {
          power: tile("power", `${of}electricity now`.replace(/^e/, "E")),
          electricity: tile("electricity", "Electricity today"),
          peak: tile("peak", "Peak today"),
          water: tile("water", "Water today"),
          compliance: tile("compliance", this.role === "tenant" ? "COD load today" : "Compliance today"),
          availability: tile("availability", "Availability of readings"),
          flow: tile("flow", "Readings"),
        };
  }

  kpi(key) {
    return this.kpis.get(`${this.subject} ${key}`);
  }

  onReadings(values) {
    for (const reading of values) {
      const received = Date.parse(reading.received);
      if (this.newest === null || received > this.newest) this.newest = received;
      this.outlet.show(reading);
    }
    this.showFreshness();
  }

  onPower(values) {
    for (const row of values) {
      this.tenants.showPower(row);
      if (row.subject !== this.subject || !this.tiles.power) continue;
      const note = `${row.meters_heard} of ${row.meters} meters heard`;
      this.tiles.power.showValue(row.power_kw, "kW", note, row.meters_heard < row.meters ? "warn" : "");
      if (row.power_kw === null) continue;
      this.tiles.power.spark(row.ts, row.power_kw);
      this.chart.addPower(Date.parse(row.ts), row.power_kw);
    }
  }

  onKpis(values) {
    for (const row of values) {
      this.kpis.set(`${row.subject} ${row.kpi}`, row);
      this.tenants.showKpi(row);
    }
    this.showKpis();
    this.barsAreOld ||= values.some((row) => row.subject === this.subject);
  }

  // New numbers bring new bars soon, time alone brings them now and then.
  refreshBars() {
    const seconds = this.barsAreOld ? BARS_LEAST_S : BARS_EVERY_S;
    if (Date.now() - this.barsAt < seconds * 1000) return;
    this.barsAt = Date.now();
    this.barsAreOld = false;
    this.fetchBars().catch((error) => { byId("chart-note").textContent = error.message; });
  }

  showKpis() {
    if (!this.isOfficer) this.showResources();
    if (this.role === "tenant") this.showLoad(this.tiles.compliance);
    else this.showCompliance();
    if (this.isOfficer) this.showLoad(this.tiles.cod);
  }

  showResources() {
    const { electricity, peak, water, availability } = this.tiles;
    const energy = known(this.kpi("electricity"));
    const factor = this.kpi("load_factor");
    electricity.showValue(energy.value, "kWh", energy.note || (factor?.value ? `load factor ${number(factor.value, 2)}` : ""), energy.tone);
    const top = this.kpi("demand_peak");
    const height = known(top);
    peak.showValue(height.value, "kW", top?.peak_at ? `in the interval from ${this.time(top.peak_at)}` : height.note);
    const intake = known(this.kpi("water_intake"));
    water.showValue(intake.value, "m³", intake.note || this.balance(), intake.tone);
    const share = this.kpi("availability");
    const slots = share?.value ?? share?.measured ?? null;
    availability.show(slots === null ? DASH : number(slots * 100, 1), "%", "of those expected since midnight", slots !== null && slots < 0.95 ? "warn" : "");
  }

  balance() {
    const row = this.kpi("water_balance");
    if (!row || row.value === null) return "";
    return `supply − use: ${number(row.value)} ± ${number(row.error)} m³`;
  }

  showLoad(tile) {
    const load = known(this.kpi("load_cod"));
    tile.showValue(load.value, "kg", load.note, load.tone);
  }

  showCompliance() {
    const rows = [...this.kpis.values()].filter((row) => row.subject === this.subject && row.kpi.startsWith("compliance_"));
    const judged = rows.map((row) => row.value ?? row.measured).filter((value) => value !== null);
    const kept = judged.filter((value) => value >= 1).length;
    const worst = judged.length ? Math.min(...judged) : null;
    const rule = rows.find((row) => (row.value ?? row.measured) === worst && worst < 1);
    const note = !judged.length ? "no window judged yet" : rule ? `${rule.kpi.replace("compliance_", "").replaceAll("_", " ")} was exceeded` : `${kept} of ${rows.length} limits judged and kept`;
    this.tiles.compliance.show(worst === null ? DASH : number(worst * 100, worst < 1 ? 1 : 0), "%", note, worst === null ? "" : worst < 1 ? "bad" : "good");
  }

  onFlow(flow) {
    this.flow = flow;
    if (flow.newest_received) this.newest = Math.max(this.newest ?? 0, Date.parse(flow.newest_received));
    this.showFreshness();
  }

  showFreshness() {
    const seconds = this.newest === null ? null : (Date.now() - this.newest) / 1000;
    const aside = (this.flow?.rejected_per_minute ?? 0) + (this.flow?.conflict_per_minute ?? 0);
    const note = seconds === null ? "nothing received yet" : `newest ${age(seconds)} ago${aside >= 1 ? `, ${number(aside)} set aside` : ""}`;
    const tone = seconds !== null && seconds > STALE_S ? "bad" : "";
    const rate = this.flow?.stored_per_minute ?? null;
    if (this.isOfficer) this.tiles.flow.show(seconds === null ? DASH : age(seconds), "ago", "", tone);
    else this.tiles.flow.show(rate === null ? DASH : number(rate), "per min", note, tone);
    const stale = seconds !== null && seconds > STALE_S;
    byId("notice").hidden = !stale;
    if (stale) byId("notice").textContent = `No reading has arrived for ${age(seconds)}. What you see is old: look at the gateways and at ingest.`;
  }

  async fetchBars() {
    const step = this.park.base_s * 1000;
    const stop = Math.ceil(Date.now() / step) * step;
    const range = { start: new Date(stop - 24 * 3600e3).toISOString(), stop: new Date(stop).toISOString() };
    const series = await ask("kpis/electricity", { subject: this.subject, level: "base", ...range });
    this.chart.setBars(
      series.values.map((row) => ({
        start: Date.parse(row.start),
        stop: Date.parse(row.stop),
        // An interval that is open, or closed just now, has not had all its energy yet; the line shows it instead.
        kw: row.measured === null || Date.parse(row.stop) > Date.now() - SETTLED_S * 1000 ? null : row.measured / (this.park.base_s / 3600),
        coverage: row.profile_coverage,
      })),
    );
    byId("chart-note").textContent = `Mean of each ${this.park.base_s / 60} minutes, ${this.park.timezone}; pale where only part was measured.`;
  }

  tick() {
    const clock = localTime(this.park.timezone, { weekday: "short", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    byId("clock").textContent = `${clock(Date.now())} ${this.park.timezone}`;
    this.showFreshness();
  }
}

function listen(page) {
  const state = byId("state");
  const say = (name, text) => {
    if (state.dataset.state === name) return;
    state.dataset.state = name;
    state.textContent = text;
  };
  const events = { hello: ({ resumed }) => { if (!resumed) page.alarms.clear(); }, alarm: ({ values }) => page.alarms.show(values) };
  events.readings = ({ values }) => page.onReadings(values);
  events.power = ({ values }) => page.onPower(values);
  events.kpis = ({ values }) => page.onKpis(values);
  events.flow = (flow) => page.onFlow(flow);
  events.bye = ({ reason }) => { if (reason === "login") location.assign("/login"); };
  let source = null;
  const open = () => {
    source = new EventSource("/api/v1/live");
    source.addEventListener("open", () => say("live", "Live"));
    source.addEventListener("error", () => {
      say("lost", "Connection lost, trying again");
      // A browser comes back by itself from a cut connection, but not from an answer that was an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_S * 1000);
    });
    for (const [name, show] of Object.entries(events)) {
      source.addEventListener(name, (event) => show(JSON.parse(event.data)));
    }
  };
  open();
  addEventListener("pagehide", () => source.close());
}

async function begin() {
  const parks = await ask("parks");
  if (!parks.length) {
    byId("place").textContent = "No park is granted to you";
    return;
  }
  const wanted = new URLSearchParams(location.search).get("park");
  const park = parks.find((one) => one.key === wanted) ?? parks[0];
  const [tenants, channels] = await Promise.all([ask("tenants", { park: park.key }), ask("channels", { park: park.key })]);
  const page = new Page(park, tenants, channels.filter((channel) => channel.role === "outlet"));
  setInterval(() => page.tick(), 1000);
  page.tick();
  listen(page);
  if (page.chart) {
    page.refreshBars();
    setInterval(() => page.refreshBars(), 1000);
  }
}

begin().catch((error) => {
  byId("notice").hidden = false;
  byId("notice").textContent = `The page could not be filled: ${error.message}`;
});
