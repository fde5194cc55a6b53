// Signals an incoming call: a sound, the tab's title, and a desktop notification if the user has allowed it.

const TONES = [440, 480]; // Hz, as North American telephones ring back
const RING_SECONDS = 2;
const PERIOD_MS = 4000;
const TITLE_MS = 1000;
const VOLUME = 0.12;

export class Ringing {
  constructor() {
    this.title = document.title;
    // Browsers block audio until the page was used.
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => this.wake(), { once: true });
  }

  async wake() {
    this.context ??= new AudioContext();
    await this.context.resume().catch(() => {});
  }

  /** Until `stop`. `onOpen` is called when the notification is clicked. */
  start(from, onOpen) {
    this.stop();
    this.title = document.title;
    const text = from ? `Incoming call from ${from}` : "Incoming call";
    this.ring();
    this.timers = [setInterval(() => this.ring(), PERIOD_MS), setInterval(() => this.blink(text), TITLE_MS)];
    document.title = text;
    this.notify(text, onOpen);
  }

  ring() {
    if (this.context?.state !== "running") return void this.wake();
    const { context } = this;
    this.volume = new GainNode(context, { gain: 0 });
    this.volume.connect(context.destination);
    // Without a ramp the sound would click.
    for (const [at, gain] of [[0.03, VOLUME], [RING_SECONDS - 0.03, VOLUME], [RING_SECONDS, 0]]) {
      this.volume.gain.linearRampToValueAtTime(gain, context.currentTime + at);
    }
    for (const frequency of TONES) {
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(this.volume);
      tone.start();
      tone.stop(context.currentTime + RING_SECONDS);
    }
  }

  blink(text) {
    document.title = document.title === text ? this.title : text;
  }

  notify(text, onOpen) {
    if (!mayNotify() || !document.hidden) return;
    this.notification = new Notification(text, { tag: "incoming-call", requireInteraction: true });
    this.notification.onclick = () => {
      window.focus();
      onOpen();
    };
  }

  /** Answered, declined or over. */
  stop() {
    for (const timer of this.timers ?? []) clearInterval(timer);
    if (this.timers) document.title = this.title;
    this.timers = null;
    this.volume?.disconnect();
    this.notification?.close();
    this.notification = null;
  }
}

function mayNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

/** A button that requests permission for notifications; visible until the user decides. */
export function wireNotifications(button, status) {
  const refresh = () => {
    const permission = "Notification" in window ? Notification.permission : "denied";
    button.hidden = permission !== "default";
    status.textContent = { granted: "Desktop notifications are on.", default: "", denied: "This browser blocks desktop notifications." }[permission];
  };
  button.addEventListener("click", async () => {
    await Notification.requestPermission();
    refresh();
  });
  refresh();
}
