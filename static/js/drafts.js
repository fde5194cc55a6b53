// Keeps typed values when a session ends before they are saved, in this tab, until the same person sees the form again.
//
//   sent ──(a page of ours follows)──▶ forgotten
//     └──(sign-in, or an expired page)──▶ unsaved ──(a page with the form)──▶ put back

const KEY = "draft";
const user = document.querySelector("meta[name='user']")?.content;
const write = (draft) => sessionStorage.setItem(KEY, JSON.stringify(draft));
const formsOf = () => Array.from(document.querySelectorAll("form[method='post']"));

/** A form's URL, which identifies it. (The property `action` may be one of its buttons.) */
function addressOf(form) {
  const { pathname, search } = new URL(form.getAttribute("action") ?? location.href, location.href);
  return pathname + search;
}

/** Excludes passwords and files. Of hidden inputs, only the number of rows. */
const typedIn = (form) => Array.from(form.elements).filter(({ name, type }) => name && !/^(password|file|submit|button|fieldset)$/.test(type) && (type !== "hidden" || /-TOTAL_FORMS$/.test(name)));

/** [name, value] pairs in the format in which they are sent. */
function valuesOf(form) {
  const names = new Set(typedIn(form).map(({ name }) => name));
  return Array.from(new FormData(form)).filter(([name]) => names.has(name));
}

function isChanged(element) {
  if (/^(checkbox|radio)$/.test(element.type)) return element.checked !== element.defaultChecked;
  if (element instanceof HTMLSelectElement) return Array.from(element.options).some((option) => option.selected && !option.defaultSelected) && element.selectedIndex > 0;
  return element.value !== element.defaultValue;
}

function keep(forms, isUnsaved) {
  const kept = forms.filter((form) => typedIn(form).length).map((form) => ({ address: addressOf(form), values: valuesOf(form) }));
  if (kept.length) write({ user, forms: kept, isUnsaved });
  else sessionStorage.removeItem(KEY);
}

async function putBack(draft) {
  let found = false;
  for (const { address, values } of draft.forms) {
    const form = formsOf().find((one) => addressOf(one) === address && typedIn(one).length);
    if (!form) continue;
    found = true;
    const rows = form.querySelector("[data-rows]");
    if (rows && values.some(([name]) => !form.elements[name])) await askForRows(rows, values);
    for (const element of typedIn(form)) fill(element, values);
    form.dispatchEvent(new Event("change", { bubbles: true }));
  }
  if (!found) return;
  sessionStorage.removeItem(KEY);
  tell("Your changes were restored, but are not saved yet. Save them again.");
}

function fill(element, values) {
  const given = values.filter(([name]) => name === element.name).map(([, value]) => value);
  if (/^(checkbox|radio)$/.test(element.type)) element.checked = given.includes(element.value);
  else if (element instanceof HTMLSelectElement) for (const option of element.options) option.selected = given.includes(option.value);
  else if (given.length) element.value = given[0];
}

/** Added rows are rendered by the server: the page as loaded does not contain them. */
function askForRows(rows, values) {
  const area = `#${rows.id}`;
  const sent = { ...Object.fromEntries(values), action: "look" };
  return window.htmx.ajax("POST", location.href, { source: rows, target: area, select: area, swap: "outerHTML", values: sent });
}

function tell(text) {
  const message = Object.assign(document.createElement("p"), { className: "message warning", textContent: text });
  (document.getElementById("messages") ?? document.querySelector("#content, main"))?.prepend(message);
}

document.addEventListener("submit", (event) => {
  if (!user || event.defaultPrevented || event.target.getAttribute("method") !== "post") return;
  keep([event.target], false);
});
document.addEventListener("signed-out", () => {
  keep(formsOf().filter((form) => form.querySelector(".form-errors") || typedIn(form).some(isChanged)), true);
  location.reload();
});

const draft = JSON.parse(sessionStorage.getItem(KEY));
const isExpired = document.querySelector("meta[name='unsaved']") || (!user && new URLSearchParams(location.search).has("next"));
if (draft && isExpired) write({ ...draft, isUnsaved: true });
else if (draft && user && !draft.isUnsaved) sessionStorage.removeItem(KEY);
else if (draft && user === draft.user) putBack(draft);
