// The Sandbox page: talks to an agent over the WebSocket protocol described at /docs/sandbox.
import { CallTimer, VoiceLine, microphoneProblem, setMuted, showState, showTrouble, wireMute } from "./audio.js";
import { wireDevices } from "./devices.js";
import { Conversation } from "./conversation.js";

const DEFAULT_RATE = 24000;
const REASONS = {
  completed: "Call ended",
  normal_clearing: "Call ended",
  insufficient_balance: "Your balance or a spending limit is used up",
  max_duration: "Maximum duration reached",
  silence_timeout: "Ended because nobody said anything",
  model_failed: "The AI model failed",
};

/** Dollars and cents, as every page shows them (core/templatetags/ui.py). */
const cents = (amount) => (amount > 0 && amount < 0.005 ? "<$0.01" : `$${amount.toFixed(2)}`);

const root = document.getElementById("sandbox");
const element = (id) => document.getElementById(id);
const form = element("start");
let socket = null;
let pricePerMinute = 0;
const isBusy = () => ["connecting", "talking"].includes(root.dataset.state);
const conversation = new Conversation(element("conversation"), { isBusy });
const timer = new CallTimer(element("timer"), (seconds) => {
  element("cost").textContent = pricePerMinute > 0 ? `${cents((pricePerMinute * seconds) / 60)} so far` : "free";
});
const line = new VoiceLine({
  worklet: root.dataset.worklet,
  levelIn: element("level-in"),
  levelOut: element("level-out"),
  onFrame: (pcm) => root.dataset.state === "talking" && sendAudio(pcm),
});

// --- starting -------------------------------------------------------------------------------------------------------

async function start(event) {
  event.preventDefault();
  showTrouble("");
  const body = new FormData(form);
  body.set("press", `${Date.now()}-${Math.random()}`); // the same form starts another call
  show("connecting", "Starting…");
  try {
    await line.open();
  } catch (error) {
    showTrouble(microphoneProblem(error));
    return show("ready", "Ready");
  }
  const response = await fetch(form.action, { method: "POST", body }).catch(() => null);
  if (response?.redirected) return document.dispatchEvent(new Event("signed-out"));
  const answer = await response?.json().catch(() => null);
  if (!response?.ok || !answer) {
    showTrouble(answer?.message ?? "The server could not be reached.");
    line.close();
    return show("ready", "Ready");
  }
  begin(answer);
}

function begin({ ws_url: address, summary_url: summary, price_per_minute: price, model }) {
  pricePerMinute = Number(price);
  element("state").textContent = `Connecting to ${model}…`;
  socket = new WebSocket(address);
  socket.onmessage = ({ data }) => onFrame(JSON.parse(data));
  socket.onclose = () => finish("Connection lost");
  conversation.follow(summary);
  document.body.dispatchEvent(new Event("sandbox-started")); // one demo call less
}

// --- the conversation -----------------------------------------------------------------------------------------------

function onFrame(frame) {
  switch (frame.type) {
    case "ready":
      timer.start();
      return show("talking", "Talk now");
    case "audio":
      return line.play(decode(frame.data), frame.sample_rate ?? DEFAULT_RATE);
    case "clear":
      return line.clear();
    case "transcript":
    case "tool_call":
      return conversation.look();
    case "error":
      return showTrouble(frame.message);
    case "ended":
      return finish(REASONS[frame.reason] ?? `Call ended (${frame.reason})`);
  }
}

function sendAudio(pcm) {
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ type: "audio", data: btoa(String.fromCharCode(...new Uint8Array(pcm))) }));
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}

function finish(text) {
  if (!isBusy()) return;
  timer.stop();
  line.close();
  setMuted(element("mute"), false);
  show("ended", text);
  if (socket.readyState <= WebSocket.OPEN) socket.close();
}

function show(state, text) {
  showState(root, state);
  element("state").textContent = text;
  if (state === "connecting") {
    element("timer").textContent = "0:00";
    element("cost").textContent = "";
  }
}

form.addEventListener("submit", start);
element("hang-up").addEventListener("click", () => finish("Call ended"));
wireMute(element("mute"), (muted) => (line.muted = muted));
wireDevices(line);
window.addEventListener("pagehide", () => socket?.close());
