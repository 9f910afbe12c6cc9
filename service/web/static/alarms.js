// Alarms that stand, the worst first, with what the user may do about each.

import { age, element, localTime, number } from "./text.js";

const RANK = { critical: 4, high: 3, medium: 2, low: 1 };
const STATES = {
  pending: "Pending",
  active_unacked: "Active, not acknowledged",
  active_acked: "Active, acknowledged",
  returned_unacked: "Back within, not acknowledged",
  latched: "Back within, waits for its reset",
  normal: "Normal",
};
const INHIBITS = { shelved: "shelved", shelved_once: "shelved once", suppressed: "suppressed", out_of_service: "out of service" };
const HOUR_MS = 3600e3;
const byId = (id) => document.getElementById(id);

function words(value, unit) {
  if (value === null) return null;
  if (unit === "s") return age(value);
  if (unit === "pH") return `pH ${number(value, 2)}`;
  // Limits are round numbers, and are to be read as they are written.
  const text = Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
  return unit && unit !== "1" ? `${text} ${unit}` : text;
}

// What a request sends: the login's cookie counts for a change only with this header, which no other site can send.
async function send(alarm, act) {
  const answer = await fetch(`/api/v1/alarms/${alarm.id}/acts`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "If-Match": `"${alarm.version}"`, "X-Kawasan-Page": "1" },
    body: JSON.stringify(act),
  });
  if (answer.status === 401) location.assign("/login");
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail);
  return body;
}

export class Alarms {
  constructor(park) {
    this.park = park;
    this.time = localTime(park.timezone, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    this.rows = new Map();
    this.dialog = byId("shelve");
    this.shelved = null;
    this.dialog.addEventListener("close", () => this.shelve());
    byId("shelve-not").addEventListener("click", () => this.dialog.close(""));
  }

  // A stream that begins says everything anew.
  clear() {
    this.rows.clear();
    this.draw();
  }

  show(values) {
    for (const row of values.filter((one) => one.park === this.park.key)) {
      if (row.state === "normal" && row.inhibit === "none") this.rows.delete(row.id);
      else this.rows.set(row.id, row);
    }
    this.draw();
  }

  // What changes is drawn anew; whoever is about to press a button keeps it.
  draw() {
    const held = document.activeElement?.dataset.button;
    this.fill();
    if (held) document.querySelector(`[data-button="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }

  fill() {
    const ordered = [...this.rows.values()].sort((one, other) => RANK[other.severity] - RANK[one.severity] || Date.parse(other.since) - Date.parse(one.since));
    const shown = ordered.filter((row) => row.inhibit === "none" && row.state !== "pending");
    const aside = ordered.filter((row) => !shown.includes(row));
    const open = shown.filter((row) => row.state.endsWith("_unacked")).length;
    byId("alarms-note").textContent = shown.length ? `${shown.length} stand${shown.length === 1 ? "s" : ""}, ${open} not acknowledged.` : "None stands.";
    byId("alarms").replaceChildren(...shown.map((row) => this.item(row)));
    const details = byId("alarms-aside");
    details.hidden = !aside.length;
    details.querySelector("summary").textContent = `${aside.length} pending, shelved, suppressed or out of service`;
    details.querySelector("ul").replaceChildren(...aside.map((row) => this.item(row)));
  }

  item(row) {
    const buttons = element("div", { class: "choices" });
    if (row.acts.includes("acknowledge")) buttons.append(this.button("Acknowledge", row, () => this.act(row, { act: "acknowledge" })));
    if (row.acts.includes("reset")) buttons.append(this.button("Reset", row, () => this.act(row, { act: "reset" })));
    if (row.acts.includes("unshelve")) buttons.append(this.button("End the shelf", row, () => this.act(row, { act: "unshelve" })));
    else if (row.acts.includes("shelve")) buttons.append(this.button("Shelve", row, () => this.ask(row), "plain"));
    return element(
      "li",
      { class: "alarm", "data-alarm": row.id, "data-severity": row.severity, "data-state": row.state },
      element("span", { class: "badge" }, row.severity),
      element("div", { class: "what" }, element("strong", {}, row.name), element("span", { class: "quiet small" }, row.place)),
      element("div", { class: "how" }, element("span", {}, this.value(row)), element("span", { class: "quiet small" }, this.state(row))),
      buttons,
    );
  }

  value(row) {
    const { episode } = row;
    if (!episode || episode.peak === null || row.unit === "1" && episode.bound === 0) return "";
    const bound = words(episode.bound, episode.unit);
    return `${words(episode.peak, episode.unit)}${bound === null ? "" : `, limit ${bound}`}`;
  }

  state(row) {
    const until = row.until ? ` until ${this.time(row.until)}` : "";
    const inhibit = row.inhibit === "none" ? "" : `; ${INHIBITS[row.inhibit]}${until}`;
    const by = row.acked_by && row.state === "active_acked" ? ` by ${row.acked_by}` : "";
    return `${STATES[row.state]}${by} since ${this.time(row.since)}${inhibit}`;
  }

  button(text, row, act, kind = "") {
    const made = element("button", { type: "button", class: `small ${kind}`, "data-button": `${text} ${row.id}`, "aria-label": `${text}: ${row.name}, ${row.place}` }, text);
    made.addEventListener("click", act);
    return made;
  }

  ask(row) {
    this.shelved = row;
    this.dialog.returnValue = "";
    byId("shelve-name").textContent = `${row.name}, ${row.place}`;
    byId("shelve-why").value = "";
    this.dialog.showModal();
  }

  shelve() {
    if (this.dialog.returnValue !== "shelve" || !this.shelved) return;
    const until = new Date(Date.now() + Number(byId("shelve-hours").value) * HOUR_MS - 60e3).toISOString();
    this.act(this.shelved, { act: "shelve", text: byId("shelve-why").value, until });
  }

  async act(row, act) {
    const mistake = byId("alarms-mistake");
    mistake.hidden = true;
    try {
      this.show([await send(row, act)]);
    } catch (error) {
      mistake.textContent = `That was not possible: ${error.message.replace(/\.$/, "")}.`;
      mistake.hidden = false;
    }
  }
}
