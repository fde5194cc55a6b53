// A spoken test of an agent in the browser, over the WebSocket protocol described at /docs/sandbox (Sandbox page, agent editor).
import { CallTimer, VoiceLine, microphoneProblem, setMuted, showState, showTrouble, wireMute } from "./audio.js";
import { wireDevices } from "./devices.js";

const DEFAULT_RATE = 24000;
export const REASONS = {
  completed: "Call ended",
  normal_clearing: "Call ended",
  insufficient_balance: "Your balance or a spending limit is used up",
  max_duration: "Maximum duration reached",
  silence_timeout: "Ended because nobody said anything",
  model_failed: "The AI model failed",
};
const element = (id) => document.getElementById(id);

/** Dollars and cents, formatted like all pages (core/templatetags/ui.py). */
const cents = (amount) => (amount > 0 && amount < 0.005 ? "<$0.01" : `$${amount.toFixed(2)}`);

/** Requests a test from the server; `{ws_url, summary_url, …}`, or null after showing the problem. */
export async function askForTest(address, body) {
  body.set("press", `${Date.now()}-${Math.random()}`); // lets the same form start another call
  const response = await fetch(address, { method: "POST", body }).catch(() => null);
  if (response?.redirected) {
    document.dispatchEvent(new Event("signed-out"));
    return null;
  }
  const answer = await response?.json().catch(() => null);
  if (response?.ok && answer) return answer;
  showTrouble(answer?.message ?? "The server could not be reached.");
  return null;
}

export class VoiceTest {
  /**
   * @param {HTMLElement} root  has data-state and data-worklet, and the elements #state, #timer, #cost, #mute and the meters
   * @param {{ask: () => Promise<object|null>, conversation: Conversation, onStart?: () => void}} options  `ask` as askForTest
   */
  constructor(root, { ask, conversation, onStart = () => {} }) {
    Object.assign(this, { root, ask, conversation, onStart, socket: null, price: 0 });
    this.timer = new CallTimer(element("timer"), (seconds) => {
      element("cost").textContent = this.price > 0 ? `${cents((this.price * seconds) / 60)} so far` : "free";
    });
    this.line = new VoiceLine({
      worklet: root.dataset.worklet,
      levelIn: element("level-in"),
      levelOut: element("level-out"),
      onFrame: (pcm) => root.dataset.state === "talking" && this.sendAudio(pcm),
    });
    element("hang-up").addEventListener("click", () => this.finish("Call ended"));
    wireMute(element("mute"), (muted) => (this.line.muted = muted));
    wireDevices(this.line);
    window.addEventListener("pagehide", () => this.socket?.close());
  }

  get isBusy() {
    return ["connecting", "talking"].includes(this.root.dataset.state);
  }

  async start() {
    showTrouble("");
    this.show("connecting", "Starting…");
    try {
      await this.line.open();
    } catch (error) {
      showTrouble(microphoneProblem(error));
      return this.show("ready", "Ready");
    }
    const answer = await this.ask();
    if (answer) return this.begin(answer);
    this.line.close();
    this.show("ready", "Ready");
  }

  begin({ ws_url: address, summary_url: summary, price_per_minute: price, model }) {
    this.price = Number(price);
    element("state").textContent = `Connecting to ${model}…`;
    this.socket = new WebSocket(address);
    this.socket.onmessage = ({ data }) => this.onFrame(JSON.parse(data));
    this.socket.onclose = () => this.finish("Connection lost");
    this.conversation.follow(summary);
    this.onStart();
  }

  onFrame(frame) {
    switch (frame.type) {
      case "ready":
        this.timer.start();
        return this.show("talking", "Talk now");
      case "audio":
        return this.line.play(decode(frame.data), frame.sample_rate ?? DEFAULT_RATE);
      case "clear":
        return this.line.clear();
      case "transcript":
      case "tool_call":
      case "tool_result":
        return this.conversation.look();
      case "error":
        return showTrouble(frame.message);
      case "ended":
        return this.finish(REASONS[frame.reason] ?? `Call ended (${frame.reason})`);
    }
  }

  sendAudio(pcm) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ type: "audio", data: btoa(String.fromCharCode(...new Uint8Array(pcm))) }));
  }

  finish(text) {
    if (!this.isBusy) return;
    this.timer.stop();
    this.line.close();
    setMuted(element("mute"), false);
    this.show("ended", text);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) this.socket.close();
  }

  show(state, text) {
    showState(this.root, state);
    element("state").textContent = text;
    if (state === "connecting") {
      element("timer").textContent = "0:00";
      element("cost").textContent = "";
    }
  }
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}
