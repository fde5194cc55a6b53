// A running call's page: listening and taking over. The frames are described in calls/live/live_socket.py.
import { VoiceLine, microphoneProblem, setMuted, showState, showTrouble, wireMute } from "./audio.js";

const HEARD_EVERY = 20; // pieces of audio
const CLOSED = {
  1000: "",
  4401: "You are signed out. Reload this page to sign in again.",
  4408: "Your connection is too slow to listen in.",
};
const LOST = "The connection was lost. Select “Listen in” to reconnect.";
const REFUSED = "The call is not connected right now. Reload this page if it is still running.";
const IDLE = "Nobody on the call hears you.";
const GIVEN_BACK = {
  connection_lost: "Your microphone was not heard, so the call was returned to the agent.",
  signed_out: "You are signed out, so the call was returned to the agent.",
  session_moved: "A server was restarted, so the call was returned to the agent.",
};

const root = document.getElementById("call-follow");
const element = (id) => document.getElementById(id);
const line = new VoiceLine({
  worklet: root.dataset.worklet,
  maxQueuedMs: 300,
  levelIn: element("level-in"),
  levelOut: [element("level-caller"), element("level-agent")],
  onFrame: (pcm) => root.dataset.state === "talking" && socket?.send(pcm),
});
let socket = null;
let wantsCall = false; // take over once the line is open
let heard = 0;
let isOpen = false; // a refused socket never opens, and has no code

function show(state, text = IDLE) {
  showState(root, state);
  element("live-state").textContent = text;
}

// --- the connection -------------------------------------------------------------------------------------------------

function connect() {
  const address = new URL(root.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  heard = 0;
  isOpen = false;
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => (isOpen = true);
  socket.onmessage = ({ data }) => (typeof data === "string" ? onMessage(JSON.parse(data)) : onAudio(data));
  socket.onclose = ({ code }) => onLost(code);
}

function onAudio(data) {
  const [side, kilohertz] = new Uint8Array(data, 0, 2);
  line.play(data.slice(2), kilohertz * 1000, side);
  if (++heard % HEARD_EVERY === 0) send({ type: "heard", count: heard });
}

function send(frame) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

function onMessage(message) {
  switch (message.type) {
    case "listening":
      show("listening", "You hear both sides. Nobody on the call hears you.");
      return askForCall();
    case "waiting":
      line.closeMicrophone();
      return show("connecting", "Waiting for the call…");
    case "taken_over":
      if (!message.own) return show("listening", `${message.by} has taken over this call.`);
      setMuted(element("live-mute"), false);
      return show("talking", "The other party hears you. The agent is paused.");
    case "given_back":
      if (message.own) line.closeMicrophone();
      if (message.own && GIVEN_BACK[message.reason]) showTrouble(GIVEN_BACK[message.reason]);
      return show("listening", returned(message));
    case "refused":
      line.closeMicrophone();
      return showTrouble(message.message);
    case "ended":
      return finish("The call has ended, or was transferred.");
  }
}

function returned({ reason, own, by }) {
  if (reason !== "returned") return "The call was returned to the agent.";
  return `${own ? "You have" : `${by} has`} returned the call to the agent.`;
}

function onLost(code) {
  if (socket === null) return; // we closed it
  finish();
  const why = isOpen ? (CLOSED[code] ?? LOST) : REFUSED;
  if (why) showTrouble(why);
}

function finish(text) {
  const last = socket;
  socket = null;
  wantsCall = false;
  last?.close();
  line.close();
  show("idle", text);
}

// --- buttons --------------------------------------------------------------------------------------------------------

async function listen() {
  showTrouble("");
  show("connecting", "Connecting…");
  try {
    await line.open({ microphone: wantsCall });
  } catch (error) {
    wantsCall = false;
    show("idle");
    return showTrouble(microphoneProblem(error));
  }
  connect();
}

async function takeOver() {
  wantsCall = true;
  if (root.dataset.state !== "listening") return listen();
  showTrouble("");
  try {
    await line.openMicrophone();
  } catch (error) {
    wantsCall = false;
    return showTrouble(microphoneProblem(error));
  }
  askForCall();
}

function askForCall() {
  if (wantsCall) send({ type: "take_over" });
  wantsCall = false;
}

element("listen").addEventListener("click", listen);
element("stop-listening").addEventListener("click", () => finish());
element("take-over").addEventListener("click", takeOver);
element("give-back").addEventListener("click", () => send({ type: "give_back" }));
wireMute(element("live-mute"), (muted) => (line.muted = muted));

root.querySelector("[data-script]").hidden = false;
show("idle");
