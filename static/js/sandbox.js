// The Sandbox page: talks to the agent of a number, or to the demo agent.
import { Conversation } from "./conversation.js";
import { VoiceTest, askForTest } from "./voice-test.js";

const root = document.getElementById("sandbox");
const form = document.getElementById("start");
const conversation = new Conversation(document.getElementById("conversation"), { isBusy: () => test.isBusy });
const test = new VoiceTest(root, {
  ask: () => askForTest(form.action, new FormData(form)),
  conversation,
  onStart: () => document.body.dispatchEvent(new Event("sandbox-started")), // one fewer demo call left
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  test.start();
});
form.querySelector(".call").disabled = false;
