// A voice line between the microphone and loudspeaker of this machine and the page that uses it (Phone, Sandbox, a running call).

const PROBLEMS = {
  NotAllowedError: "Microphone access was denied. Allow it in the address bar and try again.",
  NotFoundError: "No microphone found. Connect one and try again.",
  NotReadableError: "Another program is using the microphone. Close it and try again.",
};

/** What went wrong with a microphone, in plain words. */
export function microphoneProblem(error) {
  return PROBLEMS[error.name] ?? `The microphone could not be opened (${error.message}).`;
}

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

/** The microphone with an id; the system default for "", or if that microphone is gone. */
async function openMicrophone(id) {
  const wanted = id ? { ...WANTED, deviceId: { exact: id } } : WANTED;
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: wanted });
  } catch (error) {
    if (!id || !["OverconstrainedError", "NotFoundError"].includes(error.name)) throw error;
    return openMicrophone("");
  }
}

/** 0 to 1 for a meter, from a root mean square: -60 dB is 0. */
function meterValue(level) {
  return level > 0 ? Math.min(1, Math.max(0, (20 * Math.log10(level) + 60) / 60)) : 0;
}

export class VoiceLine {
  /**
   * @param {{worklet: string, prefillMs?: number, maxQueuedMs?: number, onFrame: (pcm: ArrayBuffer) => void,
   *   onOpen?: () => void, levelIn: HTMLMeterElement, levelOut: HTMLMeterElement | HTMLMeterElement[]}} options
   *   onFrame gets 20 ms of PCM16, 16 kHz, mono. With several output meters, each belongs to a side that plays in parallel.
   */
  constructor({ prefillMs = 60, maxQueuedMs = 0, ...options }) {
    this.options = { prefillMs, maxQueuedMs, ...options };
    this.microphoneId = this.loudspeakerId = "";
    this.isMuted = false;
  }

  /** Requests the microphone, unless the line only plays, and starts. Call it from a click: browsers block audio before the first one. */
  async open({ microphone = true } = {}) {
    if (!navigator.mediaDevices) throw new Error("browsers allow it only on https or localhost");
    this.context = new AudioContext({ latencyHint: "interactive" });
    try {
      const [stream] = await Promise.all([
        microphone ? openMicrophone(this.microphoneId) : null,
        this.context.audioWorklet.addModule(this.options.worklet),
        this.context.resume(),
      ]);
      this.connect();
      if (stream) this.listenTo(stream);
      if (this.loudspeakerId) await this.chooseLoudspeaker(this.loudspeakerId);
      this.options.onOpen?.();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  connect() {
    const { levelIn, levelOut, onFrame, prefillMs, maxQueuedMs } = this.options;
    this.capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.capture.port.onmessage = ({ data }) => {
      if (data.frame) onFrame(data.frame);
      else levelIn.value = meterValue(data.level);
    };
    this.playbacks = [levelOut].flat().map((meter) => {
      const playback = new AudioWorkletNode(this.context, "playback", {
        numberOfInputs: 0,
        outputChannelCount: [1],
        processorOptions: { prefillMs, maxQueuedMs },
      });
      playback.port.onmessage = ({ data }) => {
        meter.value = meterValue(data.level);
        meter.dataset.playedMs = data.playedMs;
      };
      playback.connect(this.context.destination);
      return playback;
    });
  }

  /** Requests the microphone for a line that has only played so far. Throws like getUserMedia. */
  async openMicrophone() {
    this.listenTo(await openMicrophone(this.microphoneId));
  }

  /** From now on the line only plays. */
  closeMicrophone() {
    this.source?.disconnect();
    this.hangUpMicrophone();
    this.stream = this.source = null;
    this.isMuted = false;
    this.options.levelIn.value = 0;
  }

  listenTo(stream) {
    this.source?.disconnect();
    this.hangUpMicrophone();
    this.stream = stream;
    this.source = this.context.createMediaStreamSource(stream);
    this.source.connect(this.capture);
    this.muted = this.isMuted;
  }

  /** Switches to another microphone, now or when the line is opened. Throws like getUserMedia. */
  async chooseMicrophone(id) {
    this.microphoneId = id;
    if (this.capture) this.listenTo(await openMicrophone(id));
  }

  /** Switches to another loudspeaker if the browser supports it; does nothing if that loudspeaker is gone. */
  async chooseLoudspeaker(id) {
    this.loudspeakerId = id;
    await this.context?.setSinkId?.(id).catch(() => {});
  }

  /** Queues PCM16 of a sample rate behind the pending audio of that side. */
  play(pcm, rate, side = 0) {
    this.playbacks?.[side].port.postMessage({ frame: pcm, rate }, [pcm]);
  }

  /** Drops pending audio. */
  clear() {
    for (const playback of this.playbacks ?? []) playback.port.postMessage({ clear: true });
  }

  set muted(muted) {
    this.isMuted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  hangUpMicrophone() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
  }

  async close() {
    this.hangUpMicrophone();
    this.stream = this.source = this.capture = this.playbacks = null;
    this.isMuted = false;
    if (this.context?.state !== "closed") await this.context?.close();
    for (const meter of [this.options.levelIn, this.options.levelOut].flat()) meter.value = 0;
  }
}

/** Shows the time of a call in an element, "0:42"; `onTick` receives the seconds. */
export class CallTimer {
  constructor(element, onTick = () => {}) {
    this.element = element;
    this.onTick = onTick;
  }

  start() {
    this.stop();
    this.began = Date.now();
    this.show();
    this.interval = setInterval(() => this.show(), 500);
  }

  stop() {
    clearInterval(this.interval);
  }

  show() {
    const seconds = Math.floor((Date.now() - this.began) / 1000);
    this.element.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    this.onTick(seconds);
  }
}

/** Shows the elements of a state: those with data-when="state other-state". */
export function showState(root, state) {
  root.dataset.state = state;
  for (const element of root.querySelectorAll("[data-when]")) {
    element.hidden = !element.dataset.when.split(" ").includes(state);
  }
}

/** Shows a problem below the screen; "" removes it. */
export function showTrouble(text) {
  const element = document.getElementById("trouble");
  element.textContent = text;
  element.hidden = text === "";
}

/** A mute button: toggles, says so to assistive technology, and to `onChange`. */
export function wireMute(button, onChange) {
  button.addEventListener("click", () => {
    const muted = button.getAttribute("aria-pressed") !== "true";
    setMuted(button, muted);
    onChange(muted);
  });
}

export function setMuted(button, muted) {
  button.setAttribute("aria-pressed", String(muted));
  button.lastChild.textContent = muted ? " Unmute" : " Mute";
}
