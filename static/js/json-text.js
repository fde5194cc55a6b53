// JSON as text: parsing and printing lose nothing. JavaScript's own objects would put names like "10" first, keep one of two
// equal names, and round long numbers.
//
// A node is {kind: "object", members: [[name, node], …]}, {kind: "array", items: [node, …]}, or {kind: "scalar", text: "1.0"}.

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const MAX_DEPTH = 64;

export class InvalidText extends Error {}

export const scalar = (value) => ({ kind: "scalar", text: JSON.stringify(value) });
export const object = () => ({ kind: "object", members: [] });
export const array = (items = []) => ({ kind: "array", items });

/** Parses a text into a node. Throws InvalidText with a sentence that names the position. */
export function parse(text) {
  const reader = { text, at: 0 };
  skip(reader);
  const node = value(reader, 0);
  if (reader.at < text.length) wrong(reader, "the end");
  return node;
}

function value(reader, depth) {
  if (depth > MAX_DEPTH) wrong(reader, "less nesting");
  const sign = reader.text[reader.at];
  if (sign === "{") return list(reader, "}", () => member(reader, depth), (members) => ({ kind: "object", members }));
  if (sign === "[") return list(reader, "]", () => value(reader, depth + 1), array);
  return { kind: "scalar", text: token(reader, "a value") };
}

function member(reader, depth) {
  if (reader.text[reader.at] !== '"') wrong(reader, "a name in double quotes");
  const name = JSON.parse(token(reader, "a name in double quotes"));
  take(reader, ":");
  return [name, value(reader, depth + 1)];
}

function list(reader, end, one, made) {
  const found = [];
  reader.at += 1;
  skip(reader);
  if (reader.text[reader.at] !== end) {
    do found.push(one());
    while (takeIf(reader, ","));
  }
  take(reader, end);
  return made(found);
}

function token(reader, expected) {
  SCALAR.lastIndex = reader.at;
  const found = SCALAR.exec(reader.text);
  if (!found) wrong(reader, expected);
  reader.at += found[0].length;
  skip(reader);
  return found[0];
}

function takeIf(reader, sign) {
  if (reader.text[reader.at] !== sign) return false;
  reader.at += 1;
  skip(reader);
  return true;
}

function take(reader, sign) {
  if (!takeIf(reader, sign)) wrong(reader, sign === ":" ? "a colon" : `a comma or ${sign}`);
}

function skip(reader) {
  SPACE.lastIndex = reader.at;
  reader.at += SPACE.exec(reader.text)[0].length;
}

function wrong({ text, at }, expected) {
  const lines = text.slice(0, at).split("\n");
  throw new InvalidText(`Line ${lines.length}, column ${lines.at(-1).length + 1}: expected ${expected}.`);
}

/** The text of a node, formatted like the server's. */
export function print(node, indent = "") {
  if (node.kind === "scalar") return node.text;
  const deeper = `${indent}  `;
  const isObject = node.kind === "object";
  const parts = isObject
    ? node.members.map(([name, inner]) => `${deeper}${JSON.stringify(name)}: ${print(inner, deeper)}`)
    : node.items.map((inner) => deeper + print(inner, deeper));
  const [open, close] = isObject ? "{}" : "[]";
  return parts.length ? `${open}\n${parts.join(",\n")}\n${indent}${close}` : open + close;
}

/** The node of an object's member, the last of equal names; undefined if it is missing or null. */
export function get(node, name) {
  if (node?.kind !== "object") return undefined;
  const found = node.members.findLast(([key]) => key === name)?.[1];
  return found?.text === "null" ? undefined : found;
}

/** Replaces a member in its place, or appends it; undefined removes it. */
export function set(node, name, inner) {
  const index = node.members.findLastIndex(([key]) => key === name);
  if (inner === undefined) {
    if (index >= 0) node.members.splice(index, 1);
  } else if (index >= 0) node.members[index][1] = inner;
  else node.members.push([name, inner]);
}

/** The text of a string node; undefined for any other. */
export const textOf = (node) => (node?.kind === "scalar" && node.text[0] === '"' ? JSON.parse(node.text) : undefined);
