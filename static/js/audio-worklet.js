// The two ends of a voice line that run on the audio thread: a microphone that gives 20 ms frames of 16 kHz PCM16, and a
// loudspeaker that plays PCM16 of any rate through a jitter buffer. Both resample, so that the context can
// use the sound card's own rate.

const CAPTURE_RATE = 16000;
const FRAME_SAMPLES = 320; // 20 ms
const LEVEL_SECONDS = 0.06;
const ZERO_CROSSINGS = 12;
const TABLE_STEPS = 256;

/** Streaming resampler: windowed sinc, cut off below the lower of the two rates. */
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.scale = Math.min(1, to / from) * 0.94;
    this.reach = Math.ceil(ZERO_CROSSINGS / this.scale);
    this.history = new Float32Array(2 * this.reach);
    this.position = this.reach; // of the next output sample, in samples of history + input
    this.table = Resampler.sincTable();
  }

  static sincTable() {
    const table = new Float32Array(ZERO_CROSSINGS * TABLE_STEPS + 2);
    for (let i = 0; i < table.length; i++) {
      const x = i / TABLE_STEPS;
      const window = x < ZERO_CROSSINGS ? 0.5 + 0.5 * Math.cos((Math.PI * x) / ZERO_CROSSINGS) : 0;
      table[i] = x === 0 ? 1 : (Math.sin(Math.PI * x) / (Math.PI * x)) * window;
    }
    return table;
  }

  process(input) {
    if (this.step === 1) return input;
    const samples = new Float32Array(this.history.length + input.length);
    samples.set(this.history);
    samples.set(input, this.history.length);
    const output = [];
    for (; this.position + this.reach < samples.length; this.position += this.step) output.push(this.at(samples));
    const kept = Math.max(0, Math.floor(this.position) - this.reach);
    this.history = samples.slice(kept);
    this.position -= kept;
    return Float32Array.from(output);
  }

  at(samples) {
    const centre = Math.floor(this.position);
    let sum = 0;
    for (let n = centre - this.reach + 1; n <= centre + this.reach; n++) {
      const x = Math.abs(this.position - n) * this.scale * TABLE_STEPS;
      const i = Math.floor(x);
      if (i + 1 < this.table.length) sum += samples[n] * (this.table[i] + (x - i) * (this.table[i + 1] - this.table[i]));
    }
    return sum * this.scale;
  }
}

/** Root mean square over LEVEL_SECONDS, reported when it is complete. */
class LevelMeter {
  constructor() {
    this.sum = 0;
    this.count = 0;
  }

  add(samples) {
    for (const sample of samples) this.sum += sample * sample;
    this.count += samples.length;
    if (this.count < LEVEL_SECONDS * sampleRate) return null;
    const level = Math.sqrt(this.sum / this.count);
    this.sum = this.count = 0;
    return level;
  }
}

/** Posts {frame: ArrayBuffer} every 20 ms and {level} now and then. */
class CaptureProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, CAPTURE_RATE);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
    this.meter = new LevelMeter();
  }

  process([input]) {
    const samples = input[0] ?? new Float32Array(128); // no input connected: silence
    const level = this.meter.add(samples);
    if (level !== null) this.port.postMessage({ level });
    for (const sample of this.resampler.process(samples)) {
      this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32767)));
      if (this.filled === FRAME_SAMPLES) this.post();
    }
    return true;
  }

  post() {
    const { buffer } = this.frame;
    this.port.postMessage({ frame: buffer }, [buffer]);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
  }
}

/**
 * Takes {frame: ArrayBuffer of PCM16, rate} and {clear: true}; posts {level, playedMs, queuedMs}.
 * Options: `prefillMs` is buffered before playback starts, `maxQueuedMs` is the maximum queue (0: unlimited).
 */
class PlaybackProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.prefill = (processorOptions.prefillMs / 1000) * sampleRate;
    this.most = (processorOptions.maxQueuedMs / 1000) * sampleRate;
    this.meter = new LevelMeter();
    this.played = 0;
    this.clear();
    this.port.onmessage = ({ data }) => (data.clear ? this.clear() : this.add(new Int16Array(data.frame), data.rate));
  }

  clear() {
    this.queue = [];
    this.queued = 0;
    this.offset = 0;
    this.playing = false;
    this.waited = 0;
    this.resampler = null;
  }

  add(frame, rate) {
    if (this.resampler === null || this.rate !== rate) {
      this.rate = rate;
      this.resampler = new Resampler(rate, sampleRate);
    }
    const samples = this.resampler.process(Float32Array.from(frame, (sample) => sample / 32768));
    if (samples.length === 0) return;
    this.queue.push(samples);
    this.queued += samples.length;
    // Two clocks never agree: a backlog beyond the limit is skipped, down to the prefill.
    if (this.most > 0 && this.queued > this.most) this.take(this.queued - this.prefill);
  }

  process(_inputs, [output]) {
    const wanted = output[0].length;
    if (!this.playing && this.queued > 0) {
      this.waited += wanted;
      // A short last word may be shorter than the prefill and must still be heard.
      this.playing = this.queued >= this.prefill || this.waited >= 2 * this.prefill;
    }
    let at = 0;
    if (this.playing) {
      at = this.take(wanted, output[0]);
      if (this.queued === 0) {
        this.playing = false;
        this.waited = 0;
      }
    }
    this.played += at;
    for (const channel of output.slice(1)) channel.set(output[0]);
    const level = this.meter.add(output[0]);
    if (level !== null) this.port.postMessage({ level, playedMs: this.milliseconds(this.played), queuedMs: this.milliseconds(this.queued) });
    return true;
  }

  milliseconds(samples) {
    return Math.round((samples / sampleRate) * 1000);
  }

  /** Removes up to `count` samples from the queue, into `target` if there is one; returns how many. */
  take(count, target) {
    let taken = 0;
    while (taken < count && this.queue.length > 0) {
      const head = this.queue[0];
      const part = head.subarray(this.offset, this.offset + Math.ceil(count - taken));
      target?.set(part, taken);
      taken += part.length;
      this.offset += part.length;
      if (this.offset >= head.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    this.queued -= taken;
    return taken;
  }
}

registerProcessor("capture", CaptureProcessor);
registerProcessor("playback", PlaybackProcessor);
