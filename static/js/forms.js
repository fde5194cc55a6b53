// Forms on every page: the first invalid field gets the focus, a double click submits once, and the browser asks before unsaved changes are lost.

// --- what is wrong --------------------------------------------------------------------------------------------------

/** Opens the elements that hide a field; static/js/editor.js opens its tab. */
function reveal(field) {
  field.dispatchEvent(new CustomEvent("reveal", { bubbles: true }));
  for (let parent = field.closest("details"); parent; parent = parent.parentElement.closest("details")) parent.open = true;
  const dialog = field.closest("dialog");
  if (!dialog || dialog.matches(":modal")) return;
  dialog.close();
  dialog.showModal();
}

/** Focuses the first invalid field, otherwise the error summary. */
function focusFirstError(root) {
  const target = root.querySelector("[aria-invalid='true']:not([type='hidden'])") ?? root.querySelector(".form-errors[tabindex]");
  if (!target) return;
  reveal(target);
  target.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".form-errors a[href^='#']");
  const field = link && document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  reveal(field);
  field.focus();
});

document.addEventListener("htmx:afterSettle", (event) => {
  // Fragments that update while typing must not take the focus.
  if (event.detail.requestConfig?.triggeringEvent?.type === "submit") focusFirstError(event.target);
});

// --- fields that depend on each other -------------------------------------------------------------------------------

document.addEventListener("change", ({ target }) => {
  const { sets, setsValue, marks } = target.dataset;
  if (sets && target.value) document.getElementById(sets).value = setsValue;
  if (marks) document.getElementById(marks).value = "1";
});

// --- changes that are not saved -------------------------------------------------------------------------------------

const NO_SETTING = /^(action|trial-|variable\.)/;
// Including the admin's forms, whose tag is Django's.
const GUARDED = "form[data-guard], .change-form #content-main > form[method='post']";
const before = new WeakMap(); // form → its saved values
let isLeaving = false;

/** The values of a form as text; `defaults`: as sent by the server, ignoring what the browser has filled in since. */
function valuesOf(form, defaults = false) {
  const values = [];
  for (const element of form.elements) {
    if (!element.name || NO_SETTING.test(element.name) || element.matches("button, [type='hidden'], select[multiple]")) continue;
    if (isInEmptyRow(element, defaults)) continue;
    const value = valueOf(element, defaults);
    if (value !== "") values.push([element.name, value]);
  }
  return JSON.stringify(values);
}

function valueOf(element, defaults) {
  if (element.type === "checkbox" || element.type === "radio") {
    return (defaults ? element.defaultChecked : element.checked) ? element.value : "";
  }
  if (element instanceof HTMLSelectElement) {
    if (!defaults) return element.value;
    const options = Array.from(element.options);
    return (options.find((option) => option.defaultSelected) ?? options[0])?.value ?? "";
  }
  return defaults ? element.defaultValue : element.value;
}

/** An empty row is ignored. */
function isInEmptyRow(element, defaults) {
  const row = element.closest("[data-row]");
  if (!row) return false;
  return Array.from(row.querySelectorAll("input, textarea")).every((field) => valueOf(field, defaults) === "");
}

/** A form that returned with errors is compared with its values before it was sent. */
function rememberSaved() {
  const key = `saved:${location.pathname}`;
  for (const form of document.querySelectorAll(GUARDED)) {
    const isRefused = form.dataset.guard === "unsaved" || form.querySelector(".form-errors") !== null;
    before.set(form, isRefused ? sessionStorage.getItem(key) : valuesOf(form, true));
    if (!isRefused) sessionStorage.removeItem(key);
  }
}

const isChanged = (form) => before.has(form) && valuesOf(form) !== before.get(form);
const isAnyChanged = () => !isLeaving && Array.from(document.querySelectorAll(GUARDED)).some(isChanged);

window.addEventListener("beforeunload", (event) => {
  if (isAnyChanged()) event.preventDefault();
});
document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.elt.closest("[hx-boost], [data-hx-boost]") || !isAnyChanged()) return;
  event.preventDefault();
  if (window.confirm("Leave without saving your changes?")) event.detail.issueRequest(true);
});

// --- sending --------------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return; // htmx or a script sends it
  if (form.dataset.sent) return event.preventDefault();
  if (isAnyChanged() && !form.matches(`${GUARDED}, [data-discards]`)) {
    if (!window.confirm("Leave without saving your changes?")) return event.preventDefault();
  }
  isLeaving = true;
  form.dataset.sent = "1";
  if (form.matches(GUARDED)) sessionStorage.setItem(`saved:${location.pathname}`, before.get(form) ?? "");
});
document.addEventListener("signed-out", () => (isLeaving = true)); // drafts.js keeps the changes
window.addEventListener("pageshow", () => {
  isLeaving = false;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

rememberSaved();
focusFirstError(document);
