// The chart: one bar per base interval, and over it the power as it arrives.

import { drawn, element, localTime, number, percent } from "./text.js";

const LEFT = 58;
const BOTTOM = 24;
const TOP = 8;

function ticks(highest, count = 4) {
  const rough = highest / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  return Array.from({ length: Math.floor(highest / step + 1e-9) + 1 }, (_, place) => place * step);
}

export class Chart {
  constructor(plot, zone) {
    this.plot = plot;
    this.time = localTime(zone);
    this.hour = localTime(zone, { hour: "numeric" });
    this.bars = [];
    this.power = [];
    this.tip = element("div", { class: "tip", hidden: "" });
    new ResizeObserver(() => this.draw()).observe(plot);
  }

  setBars(bars) {
    this.bars = bars;
    this.draw();
  }

  addPower(moment, kw) {
    const last = this.power.at(-1);
    if (last && moment <= last.at) last.kw = kw;
    else this.power.push({ at: moment, kw });
    this.power = this.power.filter((one) => one.at > Date.now() - 24 * 3600e3);
    this.draw();
  }

  draw() {
    const { width, height } = this.plot.getBoundingClientRect();
    if (!width || !this.bars.length) return;
    const start = this.bars[0].start;
    const stop = Math.max(this.bars.at(-1).stop, this.power.at(-1)?.at ?? 0);
    const known = [...this.bars.map((bar) => bar.kw), ...this.power.map((one) => one.kw)].filter((kw) => kw !== null);
    const highest = Math.max(1, ...known) * 1.08;
    const x = (moment) => LEFT + ((moment - start) / (stop - start)) * (width - LEFT - 4);
    const y = (kw) => TOP + (1 - kw / highest) * (height - BOTTOM - TOP);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.summary(known) });
    this.drawGrid(svg, { x, y, start, stop, width, height, highest });
    this.drawBars(svg, x, y);
    this.drawPower(svg, x, y);
    svg.addEventListener("pointermove", (event) => this.point(event, x));
    svg.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.plot.replaceChildren(svg, this.tip);
  }

  summary(known) {
    if (!known.length) return "Electricity demand of the last 24 hours: nothing measured yet";
    return `Electricity demand of the last 24 hours, between ${number(Math.min(...known))} and ${number(Math.max(...known))} kW`;
  }

  drawGrid(svg, { x, y, start, stop, width, height, highest }) {
    const mega = highest >= 10000;
    for (const kw of ticks(highest)) {
      svg.append(drawn("line", { class: "rule", x1: LEFT, x2: width, y1: y(kw), y2: y(kw) }));
      const shown = mega ? `${number(kw / 1000, highest < 40000 ? 1 : 0)} MW` : `${number(kw)} kW`;
      svg.append(drawn("text", { x: LEFT - 8, y: y(kw) + 4, "text-anchor": "end" }, shown));
    }
    const every = width < 560 ? 6 : 3;
    for (let moment = Math.ceil(start / 3600e3) * 3600e3; moment <= stop; moment += 3600e3) {
      if (Number(this.hour(moment)) % every === 0 && x(moment) < width - 20) {
        svg.append(drawn("text", { x: x(moment), y: height - 4, "text-anchor": "middle" }, this.time(moment)));
      }
    }
  }

  drawBars(svg, x, y) {
    for (const bar of this.bars) {
      if (bar.kw === null) continue;
      const left = x(bar.start) + 0.75;
      const wide = Math.max(1, x(bar.stop) - x(bar.start) - 1.5);
      const partial = bar.coverage !== null && bar.coverage < 0.999 ? " partial" : "";
      const top = Math.min(y(bar.kw), y(0) - 1);
      svg.append(drawn("rect", { class: `bar${partial}`, x: left, y: top, width: wide, height: y(0) - top, rx: Math.min(2, wide / 3) }));
    }
  }

  drawPower(svg, x, y) {
    const line = this.power.filter((one) => one.at >= this.bars[0].start);
    if (!line.length) return;
    const path = line.map((one, place) => `${place ? "L" : "M"}${x(one.at).toFixed(1)} ${y(one.kw).toFixed(1)}`).join("");
    svg.append(drawn("path", { class: "power", d: path }));
    svg.append(drawn("circle", { class: "head-dot", cx: x(line.at(-1).at), cy: y(line.at(-1).kw), r: 4.5 }));
  }

  point(event, x) {
    const across = event.clientX - this.plot.getBoundingClientRect().left;
    const bar = this.bars.find((one) => x(one.start) <= across && across < x(one.stop));
    this.tip.hidden = !bar;
    if (!bar) return;
    const kw = bar.kw === null ? "not measured" : `${number(bar.kw)} kW`;
    const coverage = bar.coverage !== null && bar.coverage < 0.999 ? ` · ${percent(bar.coverage, 0)} measured` : "";
    this.tip.textContent = `${this.time(bar.start)}–${this.time(bar.stop)}  ${kw}${coverage}`;
    this.tip.style.left = `${Math.min(Math.max(across, 90), this.plot.clientWidth - 110)}px`;
  }
}
