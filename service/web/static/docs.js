// Finds operations by what is said of them, and opens what an address points at.

const find = document.querySelector("#find");
const found = document.querySelector("#found");
const operations = [...document.querySelectorAll(".group .operation")];
const said = new Map(operations.map((one) => [one, `${one.id} ${one.textContent}`.toLowerCase().replaceAll("\u200b", "")]));

function show() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const one of operations) {
    one.hidden = !words.every((word) => said.get(one).includes(word));
    count += one.hidden ? 0 : 1;
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = !group.querySelector(".operation:not([hidden])");
  }
  document.querySelector("#shapes").hidden = words.length > 0;
  found.textContent = words.length ? `${count} of ${operations.length} operations` : "";
}

function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (find.value) {
    find.value = "";
    show();
  }
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView({ block: "start" });
}

find.disabled = false;
find.addEventListener("input", show);
addEventListener("hashchange", openTarget);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== find) {
    event.preventDefault();
    find.focus();
  }
});
show();
openTarget();
