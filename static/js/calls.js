// The list of calls: "select all", and no refresh while rows are selected.

const list = () => document.getElementById("calls");
const boxes = () => Array.from(list().querySelectorAll("td.pick input"));

function showSelectAll() {
  const box = list().querySelector("#select-all");
  if (box) box.hidden = boxes().length === 0;
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("#select-all")) for (const box of boxes()) box.checked = target.checked;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target !== list()) return; // filters still replace it
  if (boxes().some((box) => box.checked) || list().querySelector("dialog[open]")) event.preventDefault();
});
document.addEventListener("htmx:afterSettle", showSelectAll);
showSelectAll();
