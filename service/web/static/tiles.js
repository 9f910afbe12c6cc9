// Tiles: a figure, its unit, and a note that says how much of it is known.

import { DASH, drawn, element, scaled } from "./text.js";

export class Tile {
  constructor(parent, key, title) {
    this.figure = element("p", { class: "figure unknown", id: `figure-${key}` }, DASH);
    this.note = element("p", { class: "note" });
    this.card = element("article", { class: "card tile", "data-tile": key }, element("h3", {}, title), this.figure, this.note);
    this.sparks = [];
    parent.append(this.card);
  }

  show(text, unit, note = "", tone = "") {
    const before = this.figure.textContent;
    this.figure.replaceChildren(text, ...(unit && text !== DASH ? [element("small", {}, unit)] : []));
    this.figure.classList.toggle("unknown", text === DASH);
    this.note.textContent = note;
    this.note.className = `note ${tone}`;
    if (before !== this.figure.textContent && before !== DASH) this.flash();
  }

  showValue(value, unit, note, tone) {
    const shown = scaled(value, unit);
    this.show(shown.text, shown.unit, note, tone);
  }

  spark(moment, value) {
    const last = this.sparks.at(-1);
    if (last && last.moment === moment && last.value === value) return;
    this.sparks = [...this.sparks, { moment, value }].slice(-120);
    const low = Math.min(...this.sparks.map((one) => one.value));
    const high = Math.max(...this.sparks.map((one) => one.value));
    const points = this.sparks.map((one, place) => {
      const across = (place / Math.max(1, this.sparks.length - 1)) * 100;
      return `${across.toFixed(2)} ${(high > low ? 22 - ((one.value - low) / (high - low)) * 20 : 12).toFixed(2)}`;
    });
    if (points.length < 2) return;
    const line = `M${points.join("L")}`;
    const svg = drawn(
      "svg",
      { viewBox: "0 0 100 26", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawn("path", { class: "under", d: `${line}L100 26L0 26Z` }),
      drawn("path", { d: line }),
    );
    this.card.querySelector("svg")?.remove();
    this.card.append(svg);
  }

  flash() {
    this.card.classList.remove("fresh");
    requestAnimationFrame(() => this.card.classList.add("fresh"));
  }
}
