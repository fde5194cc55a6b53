// The Phone page: a handset at the built-in exchange. Its protocol is in sandbox/exchange/handsets/remote.py.
import { CallTimer, VoiceLine, microphoneProblem, setMuted, showState, showTrouble, wireMute } from "./audio.js";
import { wireDevices } from "./devices.js";
import { Conversation } from "./conversation.js";
import { Ringing, wireNotifications } from "./ringing.js";

const RATE = 16000;
const RECONNECT_MS = [500, 1000, 2000, 5000];
const CAUSES = {
  normal_clearing: "Call ended",
  user_busy: "The line is busy",
  busy: "The line is busy",
  call_rejected: "The call was declined",
  no_answer: "Nobody answered",
  timeout: "Nobody answered",
  originator_cancel: "Call canceled",
  unallocated_number: "The number does not exist",
  not_found: "The number does not exist",
};
const TAKEN_OVER = 4001;
const NOT_ALLOWED = 4403;

const root = document.getElementById("phone");
const element = (id) => document.getElementById(id);
const screen = { state: element("state"), party: element("party"), timer: element("timer") };
const timer = new CallTimer(screen.timer);
const line = new VoiceLine({
  worklet: root.dataset.worklet,
  maxQueuedMs: 400,
  levelIn: element("level-in"),
  levelOut: element("level-out"),
  onFrame: (pcm) => root.dataset.state === "talking" && send(pcm),
});
const ringing = new Ringing();
let socket = null;
let attempts = 0;
let lastCall = Number(root.dataset.lastCall);
const conversation = new Conversation(element("conversation"), { isBusy, onOver: (callId) => (lastCall = callId) });

// --- the connection to the exchange ---------------------------------------------------------------------------------

function connect() {
  const address = new URL(root.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? onMessage(JSON.parse(data)) : line.play(data, RATE));
  socket.onclose = ({ code }) => onLost(code);
}

function onLost(code) {
  if (isBusy()) finish("Connection lost");
  show("lost", code === TAKEN_OVER ? "Phone open in another window" : "Not connected to the exchange");
  if (code === TAKEN_OVER) return showTrouble("The phone can only be open in one window. Reload this page to use it here.");
  if (code === NOT_ALLOWED) return showTrouble("You are signed out. Reload this page to sign in again.");
  showTrouble("Connection to the exchange lost. Reconnecting…");
  setTimeout(connect, RECONNECT_MS[Math.min(attempts++, RECONNECT_MS.length - 1)]);
}

function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
}

function onMessage(message) {
  switch (message.type) {
    case "registered":
      attempts = 0;
      showTrouble("");
      return show("ready", "Ready");
    case "ringing":
      if (message.direction === "inbound") return ring(message.from);
      return show("calling", "Ringing…", message.to);
    case "answered":
      timer.start();
      return show("talking", "In call");
    case "ended":
      return finish(CAUSES[message.cause] ?? "Call ended");
    case "error":
      return showTrouble(message.message);
  }
}

// --- calls ----------------------------------------------------------------------------------------------------------

function isBusy() {
  return ["calling", "incoming", "talking"].includes(root.dataset.state);
}

/** Shows the next call. */
function follow() {
  conversation.follow(`${root.dataset.call}?after=${lastCall}`);
}

async function openLine() {
  showTrouble("");
  try {
    await line.open();
    return true;
  } catch (error) {
    showTrouble(microphoneProblem(error));
    return false;
  }
}

async function dial() {
  const to = element("to").value.replace(/[^+\d]/g, "");
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return showTrouble("Enter a number with + and country code, like +14155550100.");
  element("dial").disabled = true;
  if (!(await openLine())) return show("ready", "Ready");
  show("calling", "Calling…", to);
  send({ type: "dial", to });
  follow();
}

function ring(from) {
  show("incoming", "Incoming call", from);
  ringing.start(inGroups(from), () => element("accept").focus());
  follow();
}

async function accept() {
  if (await openLine()) send({ type: "answer" });
}

function finish(text) {
  timer.stop();
  line.close();
  setMuted(element("mute"), false);
  show("ended", text, screen.party.textContent);
}

/** A North American number in national notation; others unchanged. */
function inGroups(number) {
  return number.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, "+1 $1-$2-$3");
}

function show(state, text, party) {
  showState(root, state);
  if (state !== "incoming") ringing.stop();
  root.classList.toggle("ringing", state === "incoming" || state === "calling");
  screen.state.textContent = text;
  if (party !== undefined) screen.party.textContent = inGroups(party);
  if (state === "ready") screen.party.textContent = screen.timer.textContent = "";
  if (state === "calling" || state === "incoming") screen.timer.textContent = "";
  element("dial").disabled = !["ready", "ended"].includes(state);
}

// --- buttons --------------------------------------------------------------------------------------------------------

element("dial").addEventListener("click", dial);
element("accept").addEventListener("click", accept);
element("decline").addEventListener("click", () => send({ type: "decline" }));
element("hang-up").addEventListener("click", () => send({ type: "hangup" }));
wireMute(element("mute"), (muted) => (line.muted = muted));
wireDevices(line);
wireNotifications(element("notify"), element("notify-status"));
element("own")?.addEventListener("change", ({ target }) => (element("to").value = target.value));
root.querySelector(".pad").addEventListener("click", ({ target }) => {
  const digit = target.closest("[data-digit]")?.dataset.digit;
  if (!digit) return;
  if (root.dataset.state === "talking") send({ type: "dtmf", digit });
  else if (!isBusy()) element("to").value += digit;
});
window.addEventListener("pagehide", () => send({ type: "hangup" }));

connect();
