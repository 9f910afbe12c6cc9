// The table of tenants today.

import { DASH, element, number, percent, rounded } from "./text.js";

const COLUMNS = [
  { title: "Power now", unit: "kW", power: true },
  { title: "Electricity", unit: "kWh", kpi: "electricity" },
  { title: "Peak", unit: "kW", kpi: "demand_peak" },
  { title: "Load factor", unit: "", kpi: "load_factor", digits: 2 },
  { title: "Power factor", unit: "", kpi: "power_factor", digits: 3, least: 0.85 },
  { title: "Water", unit: "m³", kpi: "water_intake" },
  { title: "COD load", unit: "kg", kpi: "load_cod" },
  { title: "Readings", unit: "", kpi: "availability", share: true, least: 0.95 },
];

export class Tenants {
  constructor(head, body, tenants, isOfficer) {
    this.columns = isOfficer ? COLUMNS.filter((column) => column.kpi?.startsWith("load_")) : COLUMNS;
    head.append(element("th", { scope: "col" }, "Tenant"), element("th", { scope: "col" }, "Sector"));
    head.append(...this.columns.map((column) => element("th", { scope: "col" }, column.unit ? `${column.title}, ${column.unit}` : column.title)));
    this.cells = new Map();
    for (const tenant of tenants) {
      const subject = `tenant:${tenant.park}/${tenant.key}`;
      const cells = this.columns.map(() => element("td", {}, DASH));
      this.cells.set(subject, cells);
      body.append(element("tr", {}, element("td", {}, tenant.name), element("td", { class: "sector" }, tenant.sector ?? ""), ...cells));
    }
  }

  showPower(row) {
    const cells = this.cells.get(row.subject);
    const place = this.columns.findIndex((column) => column.power);
    if (cells && place >= 0) cells[place].textContent = number(row.power_kw, 0);
  }

  showKpi(row) {
    const cells = this.cells.get(row.subject);
    const place = this.columns.findIndex((column) => column.kpi === row.kpi);
    if (!cells || place < 0) return;
    const column = this.columns[place];
    const value = row.value ?? row.measured;
    const text = column.share ? percent(value) : column.digits ? number(value, column.digits) : rounded(value);
    const cell = cells[place];
    cell.textContent = text;
    cell.classList.toggle("low", column.least !== undefined && value !== null && value < column.least);
    cell.title = row.value === null && value !== null ? `${percent(row.total_coverage ?? 0, 0)} of the time is known` : "";
  }
}
