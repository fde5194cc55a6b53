// An agent's tools as fields next to their JSON. Only the JSON field is sent and saved in drafts: each change of a field is
// written into it immediately, and changes of the JSON appear in the fields. Without this script only the JSON field is shown.

import { InvalidText, array, parse, print } from "./json-text.js";
import * as definitions from "./tool-definitions.js";

const json = document.getElementById("id_tools");
const builder = document.getElementById("tool-builder");
const list = builder.querySelector("ol");
const problem = builder.querySelector("[data-problem]");
const add = builder.querySelector("[data-add-tool]");
const DEFAULTS = { method: "POST" };
let tools = array();
let count = 0;

// --- between the text and the fields --------------------------------------------------------------------------------

/** Shows the tools in the JSON; if it is not a list of tools, it stays unchanged, with an explanation. */
function read() {
  let said = "";
  try {
    tools = json.value.trim() ? parse(json.value) : array();
    if (tools.kind !== "array") said = "The JSON is not a list of tools.";
  } catch (error) {
    if (!(error instanceof InvalidText)) throw error;
    said = `The JSON is not valid. ${error.message}`;
  }
  problem.textContent = said && `${said} Correct it to see the tools here.`;
  problem.hidden = !said;
  add.hidden = list.hidden = Boolean(said);
  if (said) builder.querySelector("details").open = true;
  else show();
}

function write() {
  json.value = tools.items.length ? print(tools) : "";
  json.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Has the tools checked and shows them as the model receives them. */
const check = () => json.dispatchEvent(new Event("change", { bubbles: true }));

// --- the fields -----------------------------------------------------------------------------------------------------

function copyOf(name) {
  const copy = document.getElementById(name).content.firstElementChild.cloneNode(true);
  count += 1;
  for (const label of copy.querySelectorAll("label[for]")) label.htmlFor += `-${count}`;
  for (const field of copy.querySelectorAll("[id]")) field.id = `${field.id}-${count}`;
  return copy;
}

/** A field of a copied template, filled in; `change` is called with the typed value. */
function bind(copy, name, value, change) {
  const field = copy.querySelector(`[data-part="${name}"]`);
  const isCheckbox = field.type === "checkbox";
  if (field.localName === "select" && value && ![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
  if (isCheckbox) field.checked = value;
  else field.value = value;
  field.addEventListener("input", () => {
    change(isCheckbox ? field.checked : field.value);
    write();
  });
  return field;
}

function onPress(copy, name, change) {
  copy.querySelector(`[data-press="${name}"]`).addEventListener("click", () => {
    change();
    write();
    check();
    show();
  });
}

function show() {
  const opened = new Set(Array.from(list.children).flatMap((row, index) => (row.querySelector("details")?.open ? [index] : [])));
  list.replaceChildren(...tools.items.map((tool, index) => (tool.kind === "object" ? shownTool(tool, index, opened.has(index)) : inJson())));
}

const inJson = () => copyOf("tool-in-json");

function shownTool(tool, index, isOpen) {
  const row = copyOf("tool-row");
  const title = row.querySelector("[data-title]");
  row.querySelector("details").open = isOpen;
  for (const name of ["name", "description", "url", "speak_while_waiting", "method"]) {
    const { value, isEditable } = definitions.readText(tool, name);
    const field = bind(row, name, value || DEFAULTS[name] || "", (typed) => {
      definitions.writeText(tool, name, typed);
      title.textContent = definitions.readText(tool, "name").value || "New tool";
    });
    field.disabled = !isEditable;
  }
  title.textContent = definitions.readText(tool, "name").value || "New tool";
  fill(row, "parameters", definitions.readParameters(tool), (parameter, at) => shownParameter(tool, parameter, at));
  fill(row, "headers", definitions.readHeaders(tool), (header, at) => shownHeader(tool, header, at));
  onPress(row, "add-parameter", () => definitions.addParameter(tool));
  onPress(row, "add-header", () => definitions.addHeader(tool));
  onPress(row, "remove", () => tools.items.splice(index, 1));
  return row;
}

/** The rows of a tool's section; null if only JSON can represent them. */
function fill(row, name, rows, one) {
  row.querySelector(`[data-rows="${name}"]`).replaceChildren(...(rows ? rows.map(one) : [inJson()]));
  row.querySelector(`[data-press="add-${name.slice(0, -1)}"]`).hidden = rows === null;
}

function shownParameter(tool, parameter, index) {
  if (!parameter.isEditable) return inJson();
  const row = copyOf("parameter-row");
  bind(row, "name", parameter.name, (typed) => definitions.renameParameter(tool, index, typed));
  for (const part of ["type", "description"]) bind(row, part, parameter[part], (typed) => definitions.changeParameter(tool, index, part, typed));
  bind(row, "required", parameter.isRequired, (isRequired) => definitions.requireParameter(tool, index, isRequired));
  const choices = bind(row, "choices", parameter.choices, (typed) => definitions.changeParameter(tool, index, "choices", typed));
  choices.disabled = !parameter.hasPlainChoices;
  onPress(row, "remove", () => definitions.removeParameter(tool, index));
  return row;
}

function shownHeader(tool, [name, value], index) {
  const row = copyOf("header-row");
  bind(row, "name", name, (typed) => definitions.changeHeader(tool, index, "name", typed));
  bind(row, "value", value, (typed) => definitions.changeHeader(tool, index, "value", typed));
  onPress(row, "remove", () => definitions.removeHeader(tool, index));
  return row;
}

// --- the start ------------------------------------------------------------------------------------------------------

const field = json.closest(".field");
field.before(builder);
builder.querySelector("[data-json]").append(field);
if (json.getAttribute("aria-invalid") === "true") builder.querySelector("details").open = true;
builder.hidden = false;
read();
json.addEventListener("input", ({ isTrusted }) => isTrusted && read());
window.addEventListener("pageshow", ({ persisted }) => persisted && read());
list.addEventListener("change", check);
add.addEventListener("click", () => {
  tools.items.push(definitions.newTool());
  write();
  show();
  const details = list.lastElementChild.querySelector("details");
  details.open = true;
  details.querySelector("[data-part='name']").focus();
});
