// Testing an agent in its editor, in writing or by voice, with the current values of the form.
import { showTrouble } from "./audio.js";
import { Conversation } from "./conversation.js";
import { REASONS, VoiceTest, askForTest } from "./voice-test.js";

const element = (id) => document.getElementById(id);
const root = element("test");
const form = element("agent-form");
const message = element("message");

function ask(mode) {
  const body = new FormData(form);
  body.set("test-mode", mode);
  return askForTest(root.dataset.start, body);
}

// --- what was said --------------------------------------------------------------------------------------------------

/** Pending messages: shown immediately, and removed when the server shows them (in the order of each role). */
class Provisional {
  constructor(place) {
    this.place = place;
    this.reset();
  }

  reset() {
    this.place.replaceChildren();
    this.lines = [];
    this.counts = { user: 0, model: 0 };
    this.writing = null;
  }

  add(role, text) {
    const item = document.createElement("li");
    const said = Object.assign(document.createElement("div"), { className: "said", textContent: text });
    item.className = role;
    item.append(said);
    this.place.append(item);
    const line = { role, item, said, index: this.counts[role]++ };
    this.lines.push(line);
    item.scrollIntoView({ block: "nearest" });
    return line;
  }

  /** A piece of an answer. */
  write(id, text) {
    if (this.writing?.id !== id) this.writing = { id, line: this.add("model", "") };
    this.writing.line.said.textContent += text;
    this.writing.line.item.scrollIntoView({ block: "nearest" });
  }

  /** An answer is complete, whether or not it arrived in pieces. */
  complete() {
    if (!this.writing) this.counts.model++;
    this.writing = null;
  }

  settle(shown) {
    const known = { user: shown.querySelectorAll("li.user").length, model: shown.querySelectorAll("li.model").length };
    this.lines = this.lines.filter((line) => {
      const isKnown = line.index < known[line.role] && line !== this.writing?.line;
      if (isKnown) line.item.remove();
      return !isKnown;
    });
  }
}

class Transcript extends Conversation {
  show(html) {
    super.show(html);
    provisional.settle(this.place);
  }
}

const provisional = new Provisional(element("streaming"));
const conversation = new Transcript(element("conversation"), { isBusy: () => chat.isBusy || voice.isBusy });
const empty = element("conversation").innerHTML;

// --- written --------------------------------------------------------------------------------------------------------

class Chat {
  constructor() {
    this.socket = null;
    this.waiting = [];
  }

  get isBusy() {
    return this.socket !== null;
  }

  /** Sends the typed message; the first one starts the test. */
  async send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) return this.post(text);
    this.waiting.push(text);
    if (!this.socket && !this.isStarting) await this.start();
  }

  async start() {
    this.isStarting = true;
    showTrouble("");
    provisional.reset();
    const answer = await ask("chat");
    this.isStarting = false;
    if (!answer) {
      message.value = this.waiting.splice(0).join("\n");
      return;
    }
    form.removeAttribute("data-stale");
    this.socket = new WebSocket(answer.ws_url);
    this.socket.onmessage = ({ data }) => this.onFrame(JSON.parse(data));
    this.socket.onclose = () => this.finish("");
    conversation.follow(answer.summary_url);
    showButtons();
  }

  post(text) {
    provisional.add("user", text);
    this.socket.send(JSON.stringify({ type: "text", text }));
  }

  onFrame(frame) {
    switch (frame.type) {
      case "ready":
        for (const text of this.waiting.splice(0)) if (text) this.post(text);
        return;
      case "text":
        return provisional.write(frame.item, frame.text);
      case "transcript":
        if (frame.role === "model") provisional.complete();
        return conversation.look();
      case "tool_call":
      case "tool_result":
        return conversation.look();
      case "error":
        return showTrouble(frame.message);
      case "ended":
        return this.finish(frame.reason === "completed" ? "" : (REASONS[frame.reason] ?? frame.reason));
    }
  }

  finish(trouble) {
    if (!this.socket) return;
    const socket = this.socket;
    this.socket = null;
    this.waiting = [];
    if (socket.readyState <= WebSocket.OPEN) socket.close();
    if (trouble) showTrouble(trouble);
    conversation.look();
    showButtons();
  }
}

const chat = new Chat();
const voice = new VoiceTest(root, { ask: () => ask("talk"), conversation, onStart: () => provisional.reset() });

element("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (!text) return;
  message.value = "";
  chat.send(text);
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  element("composer").requestSubmit();
});
element("begin").addEventListener("click", () => chat.send(""));
element("call").addEventListener("click", () => {
  chat.finish("");
  voice.start();
});
element("restart").addEventListener("click", () => {
  chat.finish("");
  voice.finish("Call ended");
  provisional.reset();
  element("conversation").innerHTML = empty;
  conversation.looks++; // a request in progress belongs to the previous test
  showTrouble("");
  showButtons();
  message.focus();
});

// --- which of the two -----------------------------------------------------------------------------------------------

function choose(mode) {
  root.dataset.mode = mode;
  for (const button of root.querySelectorAll("button[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  for (const part of root.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== mode;
  if (mode === "chat") voice.finish("Call ended");
  showButtons();
}

function showButtons() {
  element("restart").hidden = !chat.isBusy && !conversation.address;
  element("begin").hidden = chat.isBusy || root.dataset.mode !== "chat";
}

for (const button of root.querySelectorAll("button[data-mode]")) button.addEventListener("click", () => choose(button.dataset.mode));
choose("chat");
for (const button of root.querySelectorAll("button:disabled")) button.disabled = false; // before this, clicks would be lost
window.addEventListener("pagehide", () => chat.socket?.close());
document.addEventListener("keydown", (event) => {
  if (event.altKey && event.key.toLowerCase() === "t") {
    event.preventDefault();
    choose("chat");
    message.focus();
  }
});
