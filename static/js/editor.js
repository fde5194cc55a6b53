// The agent editor: tabs, automatic saving of the draft, and keyboard shortcuts. Without this script all tabs are below each other and a button
// saves the draft.

const form = document.getElementById("agent-form");
const SAVE_AFTER_MS = 800;

// --- tabs -----------------------------------------------------------------------------------------------------------

const links = Array.from(form.querySelectorAll("[data-tabs] a"));
const panelOf = (link) => document.getElementById(link.hash.slice(1));

function open(link) {
  for (const other of links) {
    panelOf(other).hidden = other !== link;
    if (other === link) other.setAttribute("aria-current", "true");
    else other.removeAttribute("aria-current");
  }
  sessionStorage.setItem(`tab:${location.pathname}`, link.hash);
}

function openTabOf(field) {
  const link = links.find((one) => panelOf(one).contains(field));
  if (link) open(link);
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    open(link);
    history.replaceState(null, "", link.hash);
  });
}
/** Marks tabs that contain errors. */
function markErrors() {
  for (const link of links) link.classList.toggle("wrong", panelOf(link).querySelector("[aria-invalid='true']") !== null);
}

const wrong = form.querySelector("[aria-invalid='true']");
const last = location.hash || sessionStorage.getItem(`tab:${location.pathname}`);
open(links.find((link) => link.hash === last) ?? links[0]);
markErrors();
if (wrong && form.querySelector(".form-errors")) {
  openTabOf(wrong);
  wrong.focus();
}
document.addEventListener("reveal", ({ target }) => openTabOf(target));
document.addEventListener("htmx:afterSettle", markErrors);

// --- the draft ------------------------------------------------------------------------------------------------------

const UNSAVED = `unsaved:${location.pathname}`;
let timer = 0;
let isChanged = false;
let isSending = false;
let isLeaving = false;
const state = () => document.getElementById("draft-state");
const isPartOfIt = ({ form: owner, name }) => owner === form && name && !name.startsWith("trial-");

function body() {
  const data = new FormData(form);
  data.set("action", "draft");
  data.set("press", `${Date.now()}-${Math.random()}`); // every save takes effect
  return data;
}

async function save() {
  if (isSending || !isChanged || isLeaving) return;
  isSending = true;
  isChanged = false;
  const response = await fetch(form.dataset.draft, { method: "POST", body: body() }).catch(() => null);
  isSending = false;
  if (response?.redirected) return document.dispatchEvent(new Event("signed-out"));
  if (response?.ok) state().outerHTML = await response.text();
  else if (response?.status === 422) state().textContent = await response.text();
  else {
    isChanged = true;
    state().textContent = "The draft could not be saved. Trying again…";
  }
  if (isChanged) wait();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_AFTER_MS);
}

function changed({ target }) {
  if (!isPartOfIt(target)) return;
  isChanged = true;
  wait();
}
document.addEventListener("input", changed);
document.addEventListener("change", changed);
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (form.contains(detail.target) && detail.target.closest("[data-rows]")) changed({ target: form.querySelector("input[name]") });
});
form.addEventListener("submit", () => {
  isLeaving = true; // published, or refused: the form then returns with the typed values
});
window.addEventListener("pageshow", () => (isLeaving = false));
window.addEventListener("pagehide", () => {
  if (!isChanged || isLeaving) return;
  navigator.sendBeacon(form.dataset.draft, body());
  sessionStorage.setItem(UNSAVED, new URLSearchParams(body()).toString());
});

/** A reloaded page may have been requested before the beacon was saved, and then shows the previous values. */
async function restore() {
  const unsaved = sessionStorage.getItem(UNSAVED);
  sessionStorage.removeItem(UNSAVED);
  if (!unsaved || performance.getEntriesByType("navigation")[0]?.type !== "reload") return;
  const token = form.elements.csrfmiddlewaretoken.value;
  const response = await fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(unsaved), headers: { "X-CSRFToken": token } });
  if (response.ok && !isChanged) location.reload();
}
restore();

// --- keys -----------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[value='save']"));
  }
  const link = event.altKey && links[Number(event.key) - 1];
  if (link) {
    event.preventDefault();
    open(link);
    link.focus();
  }
});
