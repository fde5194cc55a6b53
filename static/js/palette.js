// The command palette: a combobox in a dialog. The server finds the matches (calls/dashboard/palette.py).

const dialog = document.getElementById("palette");
const input = dialog.querySelector("input");
const list = dialog.querySelector("[role=listbox]");
const status = dialog.querySelector("[role=status]");
const opener = document.querySelector("[data-open=palette]");
const options = () => Array.from(list.querySelectorAll("[role=option]"));
let running = new AbortController();
let waiting = 0; // the timer of the last input
let asked = Promise.resolve(); // resolves when the last results are shown

opener.hidden = false;
if (/Mac|iPhone|iPad/.test(navigator.platform)) for (const key of opener.querySelectorAll("kbd")) key.textContent = "⌘ K";
opener.addEventListener("click", start); // app.js opens the dialog

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  if (dialog.open) return dialog.close();
  dialog.showModal(); // traps the focus, closes on Escape, and restores the focus
  start();
});

function start() {
  input.value = "";
  ask();
}

input.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(ask, 80);
});

function ask() {
  clearTimeout(waiting);
  waiting = 0;
  asked = find();
}

async function find() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  try {
    const response = await fetch(`${dialog.dataset.url}?${new URLSearchParams({ q: input.value })}`, { signal });
    if (response.redirected) return location.reload(); // the session has ended
    show(response.ok ? await response.text() : "", response.ok ? "" : "Search is not available. Try again in a minute.");
  } catch (error) {
    if (error.name !== "AbortError") show("", "Search is not available. Check your connection.");
  }
}

function show(html, failure) {
  list.innerHTML = html;
  const count = options().length;
  list.hidden = count === 0;
  input.setAttribute("aria-expanded", String(count > 0));
  status.textContent = failure || (count === 1 ? "1 result" : `${count || "No"} results`);
  activate(options()[0]);
}

function activate(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

const active = () => list.querySelector("[aria-selected=true]");

input.addEventListener("keydown", (event) => {
  const all = options();
  const at = all.indexOf(active());
  const next = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length }[event.key];
  if (next === undefined || all.length === 0) return;
  event.preventDefault();
  activate(all[next]);
});
list.addEventListener("pointermove", (event) => {
  const option = event.target.closest("[role=option]");
  if (option && option !== active()) activate(option);
});
dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  let last; // Enter right after the last letter uses the results for that letter
  do {
    if (waiting) ask();
    await (last = asked);
  } while (waiting || last !== asked);
  if (dialog.open) active()?.click();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // clicked outside
});
