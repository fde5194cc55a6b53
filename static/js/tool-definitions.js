// Tool definitions for the builder: nodes of json-text.js, where only edited parts change.

import { array, get, object, scalar, set, textOf } from "./json-text.js";

export const TYPES = ["string", "number", "integer", "boolean", "array", "object"];
const NUMBERS = ["number", "integer"];

const text = (node) => textOf(node) ?? "";

/** A new tool with all required members. */
export function newTool() {
  const tool = object();
  set(tool, "name", scalar(""));
  set(tool, "description", scalar(""));
  set(tool, "parameters", newSchema());
  return tool;
}

function newSchema() {
  const schema = object();
  set(schema, "type", scalar("object"));
  set(schema, "properties", object());
  return schema;
}

/** A text of a tool; `isEditable` is false if the value exists but is not a text. */
export function readText(tool, name) {
  const node = get(tool, name);
  return { value: text(node), isEditable: node === undefined || textOf(node) !== undefined };
}

/** Removes an optional text when it is emptied. */
export function writeText(tool, name, value) {
  set(tool, name, value || ["name", "description"].includes(name) ? scalar(value) : undefined);
}

// --- parameters -----------------------------------------------------------------------------------------------------

const isSchema = (parameters) => text(get(parameters, "type")) === "object" || get(parameters, "properties")?.kind === "object";

/** The parameters: members of a JSON Schema, otherwise of the short form; null if it is neither. */
function propertiesOf(tool) {
  const parameters = get(tool, "parameters");
  if (parameters === undefined) return [];
  if (parameters.kind !== "object") return null;
  if (!isSchema(parameters)) return parameters.members;
  const properties = get(parameters, "properties");
  return properties === undefined ? [] : properties.kind === "object" ? properties.members : null;
}

const requiredOf = (tool) => get(get(tool, "parameters"), "required");
const isRequired = (tool, name) =>
  !isSchema(get(tool, "parameters")) || (requiredOf(tool)?.items ?? []).some((item) => textOf(item) === name);

/** The parameters for the fields; null if only JSON can represent them. */
export function readParameters(tool) {
  const members = propertiesOf(tool);
  if (members === null) return null;
  return members.map(([name, node]) => {
    const choices = get(node, "enum");
    const items = choices?.items ?? [];
    const lines = items.map((item) => textOf(item) ?? item.text);
    return {
      name,
      type: textOf(node) ?? text(get(node, "type")),
      isRequired: isRequired(tool, name),
      description: text(get(node, "description")),
      choices: lines.join("\n"),
      hasPlainChoices: (choices === undefined || choices.kind === "array") && lines.every(isPlain),
      isEditable: node.kind === "object" || textOf(node) !== undefined,
    };
  });
}

/** Whether a choice fits on its own line. */
const isPlain = (line) => Boolean(line) && line.trim() === line && !line.includes("\n");

export function addParameter(tool) {
  const parameters = get(tool, "parameters");
  if (parameters === undefined || (parameters.kind === "object" && !parameters.members.length)) set(tool, "parameters", newSchema());
  if (isSchema(get(tool, "parameters"))) {
    if (get(get(tool, "parameters"), "properties") === undefined) set(get(tool, "parameters"), "properties", object());
    propertiesOf(tool).push(["", typed("string")]);
    setRequired(tool, "", true);
  } else propertiesOf(tool).push(["", scalar("string")]);
}

export function removeParameter(tool, index) {
  const [[name]] = propertiesOf(tool).splice(index, 1);
  if (isSchema(get(tool, "parameters")) && !propertiesOf(tool).some(([other]) => other === name)) setRequired(tool, name, false);
}

/** Renames it in its place, and in the list of required parameters. */
export function renameParameter(tool, index, name) {
  const members = propertiesOf(tool);
  const before = members[index][0];
  members[index][0] = name;
  const isLeft = members.some(([other]) => other === before);
  if (!isSchema(get(tool, "parameters"))) return;
  const items = requiredOf(tool)?.items ?? [];
  const at = items.findIndex((item) => textOf(item) === before);
  if (at >= 0 && !isLeft) items[at] = scalar(name);
  else if (at >= 0) setRequired(tool, name, true);
}

/** In the short form all parameters are required: an optional one converts it into an equivalent JSON Schema. */
export function requireParameter(tool, index, isRequired) {
  if (!isSchema(get(tool, "parameters"))) {
    if (isRequired) return;
    const members = propertiesOf(tool);
    const schema = newSchema();
    for (const [name, node] of members) get(schema, "properties").members.push([name, textOf(node) === undefined ? node : typed(textOf(node))]);
    set(schema, "required", array(members.map(([name]) => scalar(name))));
    set(tool, "parameters", schema);
  }
  setRequired(tool, propertiesOf(tool)[index][0], isRequired);
}

function setRequired(tool, name, isRequired) {
  const parameters = get(tool, "parameters");
  const items = requiredOf(tool)?.items ?? [];
  if (items.some((item) => textOf(item) === name) === isRequired) return;
  if (requiredOf(tool)?.kind !== "array") set(parameters, "required", array());
  const list = requiredOf(tool);
  list.items = isRequired ? [...list.items, scalar(name)] : list.items.filter((item) => textOf(item) !== name);
}

function typed(type) {
  const node = object();
  set(node, "type", scalar(type));
  return node;
}

/** `part`: "type", "description", or "choices" (one per line). */
export function changeParameter(tool, index, part, value) {
  const member = propertiesOf(tool)[index];
  if (part === "type" && textOf(member[1]) !== undefined) {
    member[1] = scalar(value);
    return;
  }
  if (textOf(member[1]) !== undefined) member[1] = typed(textOf(member[1]));
  const node = member[1];
  if (part === "type") {
    set(node, "type", scalar(value));
    if (value === "array" && get(node, "items") === undefined) set(node, "items", typed("string"));
  } else if (part === "description") set(node, "description", value ? scalar(value) : undefined);
  else set(node, "enum", choices(node, value));
}

/** An existing line keeps its notation. */
function choices(node, lines) {
  const before = get(node, "enum")?.items ?? [];
  const isNumber = NUMBERS.includes(text(get(node, "type")));
  const items = lines
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const same = before.find((item) => (textOf(item) ?? item.text) === line);
      return same ?? (isNumber && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(line) ? { kind: "scalar", text: line } : scalar(line));
    });
  return items.length ? array(items) : undefined;
}

// --- headers --------------------------------------------------------------------------------------------------------

/** [[name, value], …]; null if only JSON can represent them. */
export function readHeaders(tool) {
  const headers = get(tool, "headers");
  if (headers === undefined) return [];
  if (headers.kind !== "object" || headers.members.some(([, node]) => textOf(node) === undefined)) return null;
  return headers.members.map(([name, node]) => [name, textOf(node)]);
}

export function addHeader(tool) {
  if (get(tool, "headers") === undefined) set(tool, "headers", object());
  get(tool, "headers").members.push(["", scalar("")]);
}

export function removeHeader(tool, index) {
  const headers = get(tool, "headers");
  headers.members.splice(index, 1);
  if (!headers.members.length) set(tool, "headers", undefined);
}

export function changeHeader(tool, index, part, value) {
  const member = get(tool, "headers").members[index];
  if (part === "name") member[0] = value;
  else member[1] = scalar(value);
}
