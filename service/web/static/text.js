// Numbers and times as people read them. What is not known is a dash, never a zero.

export const DASH = "–";

export function number(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// About four figures, whatever the size.
export function rounded(value) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  return number(value, size >= 1000 ? 0 : size >= 100 ? 1 : 2);
}

export function percent(share, digits = 1) {
  return share === null || share === undefined ? DASH : `${number(share * 100, digits)} %`;
}

// kWh becomes MWh where there are many, kW becomes MW.
export function scaled(value, unit) {
  const large = { kWh: "MWh", kW: "MW" }[unit];
  if (value !== null && value !== undefined && large && Math.abs(value) >= 10000) {
    return { text: number(value / 1000, 2), unit: large };
  }
  return { text: rounded(value), unit };
}

export function localTime(zone, options = { hour: "2-digit", minute: "2-digit" }) {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  return (moment) => format.format(new Date(moment));
}

export function age(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

// A new element; text is set as text, so nothing that comes from a park file is ever read as markup.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
