// Newest readings at the compliance points, each on a track that shows where its limit is.

import { drawn, element, number } from "./text.js";

function range(limit) {
  if (limit.lowest !== null && limit.highest !== null) return `${number(limit.lowest, 1)} to ${number(limit.highest, 1)}`;
  return limit.highest !== null ? `at most ${number(limit.highest)}` : `at least ${number(limit.lowest)}`;
}

function statistic(limit) {
  const span = { base: "interval", hour: "hour", day: "day" }[limit.window] ?? limit.window;
  return limit.statistic === "range" ? `at all times` : `${limit.statistic} of a ${span}`;
}

export class Outlet {
  constructor(parent, basis, channels) {
    this.gauges = new Map();
    const judged = channels.filter((channel) => channel.limits.length);
    for (const channel of judged) {
      const limit = channel.limits[0];
      const reads = element("span", { class: "reads" }, "–");
      const card = element(
        "div",
        { class: "gauge", "data-channel": channel.key },
        element("span", { class: "name" }, channel.title),
        reads,
      );
      const track = drawn("svg", { class: "track", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
      const shown = element("span", { class: "limit small quiet" }, `Limit: ${range(limit)}${channel.unit === "pH" ? "" : ` ${channel.unit}`}, ${statistic(limit)}`);
      card.append(track, shown);
      parent.append(card);
      this.gauges.set(channel.key, { card, reads, track, limit, unit: channel.unit });
    }
    const bases = [...new Set(judged.flatMap((channel) => channel.limits.map((limit) => limit.legal_basis)))];
    const unconfirmed = judged.some((channel) => channel.limits.some((limit) => !limit.confirmed));
    basis.querySelector("summary").textContent = `Where these limits come from${unconfirmed ? " (not confirmed by anybody yet: check before use)" : ""}`;
    basis.querySelector("ul").append(...bases.map((text) => element("li", {}, text)));
  }

  get any() {
    return this.gauges.size > 0;
  }

  show(reading) {
    const gauge = this.gauges.get(reading.channel);
    if (!gauge) return;
    const { lowest, highest } = gauge.limit;
    const from = lowest === null ? 0 : lowest - (highest - lowest) * 0.6;
    const to = highest === null ? lowest * 2 : highest + (highest - (lowest ?? 0)) * 0.4;
    const x = (value) => Math.min(100, Math.max(0, ((value - from) / (to - from)) * 100));
    const beyond = (highest !== null && reading.value > highest) || (lowest !== null && reading.value < lowest);
    gauge.card.classList.toggle("beyond", beyond);
    const digits = reading.unit === "pH" ? 2 : 1;
    gauge.reads.replaceChildren(number(reading.value, digits), element("small", {}, reading.unit === "pH" ? "" : ` ${reading.unit}`));
    const allowed = [x(lowest ?? from), x(highest ?? to)];
    gauge.track.replaceChildren(
      drawn("rect", { class: "ground", x: 0, y: 3, width: 100, height: 4, rx: 1 }),
      drawn("rect", { class: "allowed", x: allowed[0], y: 3, width: allowed[1] - allowed[0], height: 4 }),
      drawn("rect", { class: "needle", x: Math.min(99, Math.max(0, x(reading.value) - 0.5)), y: 0, width: 1, height: 10 }),
    );
  }
}
