// Small features of every page: dialogs, copying, and <details> that stay open when htmx replaces the elements around them.

document.addEventListener("click", (event) => {
  const target = event.target.closest("button")?.popoverTargetElement;
  if (target instanceof HTMLDialogElement) return toggleDialog(event, target);
  const opener = event.target.closest("[data-open]");
  if (opener) return openDialog(event, opener);
  const closer = event.target.closest("[data-close]");
  if (closer) {
    event.preventDefault();
    return closer.closest("dialog").close();
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
});

/** A dialog that is a popover, so that it opens without JavaScript; with JavaScript it also traps the focus. */
function toggleDialog(event, dialog) {
  event.preventDefault();
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

/** Opens the dialog named by the button (or link) and fills in its data-fill-… values. */
function openDialog(event, button) {
  event.preventDefault();
  const dialog = document.getElementById(button.dataset.open);
  for (const place of dialog.querySelectorAll("[data-filled]")) {
    const value = button.getAttribute(`data-fill-${place.dataset.filled}`) ?? "";
    if (place instanceof HTMLInputElement) place.value = value;
    else place.textContent = value;
  }
  dialog.close();
  dialog.showModal();
}

async function copy(button) {
  const input = document.getElementById(button.dataset.copy);
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C"; // without https there is no clipboard; the text is selected
  }
}

for (const input of document.querySelectorAll("[data-time-zone]")) {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Makes messages dismissible; without JavaScript they disappear with the page. */
function addDismissers() {
  for (const message of document.querySelectorAll("#messages .message:not(:has(button))")) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button quiet", textContent: "✕", ariaLabel: "Dismiss" });
    button.addEventListener("click", () => message.remove());
    message.append(button);
  }
}
addDismissers();

/** Too many requests: the response is a sentence for the reader. The page stays, and polling continues. */
document.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  const messages = document.getElementById("messages");
  if (status !== 429 || !messages || messages.textContent.includes(responseText)) return;
  const message = document.createElement("p");
  Object.assign(message, { className: "message error", textContent: responseText });
  messages.append(message);
  addDismissers();
});

let openDetails = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  // The session has ended: the sign-in page must not be inserted into this page.
  if (new URL(event.detail.xhr.responseURL).pathname === "/login") {
    event.detail.shouldSwap = false;
    document.dispatchEvent(new Event("signed-out"));
  }
  openDetails = Array.from(document.querySelectorAll("details[id][open]"), (details) => details.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of openDetails) document.getElementById(id)?.setAttribute("open", "");
  addDismissers();
});
