// One clock for a call's page: the recording (if there is one), the timeline chart, the transcript and the timeline follow each other.
// Everything with a time carries it as data-at, in seconds of that clock (see calls/dashboard/timeline_chart.py).

const SPEEDS = [1, 1.5, 2];
const STEP_SECONDS = 5;

let now = 0;

const element = (id) => document.getElementById(id);
const timelineChart = () => element("timeline-chart");
const player = () => document.querySelector("#call-player audio");
const length = () => Number(timelineChart()?.dataset.seconds ?? 0);
/** When the recording starts, in seconds of the clock. */
const offset = () => Number(player()?.dataset.begins ?? 0);

function shown(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Shows a time everywhere. */
function show(seconds) {
  now = Math.min(length(), Math.max(0, seconds));
  const cursor = timelineChart()?.querySelector(".cursor");
  if (!cursor) return;
  const x = String((now / length()) * 1000);
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  element("clock").textContent = `${shown(now)} / ${shown(length())}`;
  for (const list of document.querySelectorAll("#call-live .chat, #call-live .timeline, #call-live .latency-chart tbody")) {
    const items = Array.from(list.children);
    const current = items.findLast((item) => Number(item.dataset.at) <= now + 0.05);
    for (const item of items) item.classList.toggle("now", item === current);
  }
}

function seek(seconds) {
  const audio = player();
  if (audio) audio.currentTime = Math.max(0, seconds - offset());
  show(seconds);
}

/** With JavaScript the timeline chart is the player; the browser's own controls are for pages without. */
function setUpPlayer() {
  const audio = player();
  if (!audio || !timelineChart()) return;
  audio.controls = false;
  element("play").hidden = element("speed").hidden = false;
  showPlaying();
}

function showPlaying() {
  const isPlaying = !player().paused;
  element("play").classList.toggle("playing", isPlaying);
  element("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
}

function togglePlaying() {
  const audio = player();
  if (!audio.paused) return audio.pause();
  if (audio.ended || now >= length()) seek(0);
  audio.play().catch(showPlaying); // refused, or paused before it started
}

function nextSpeed() {
  const audio = player();
  audio.playbackRate = SPEEDS[(SPEEDS.indexOf(audio.playbackRate) + 1) % SPEEDS.length];
  element("speed").textContent = `${audio.playbackRate}×`;
}

/** Shows the target of the URL's fragment: a time on the clock, or an opened log entry. */
function showTarget() {
  const target = element(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
  else if (target?.dataset.at) seek(Number(target.dataset.at));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#play")) return togglePlaying();
  if (event.target.closest("#speed")) return nextSpeed();
  const svg = event.target.closest("#timeline-chart svg:not(.icon)");
  const link = event.target.closest("main a[href^='#']");
  const item = event.target.closest("main [data-at]");
  if (svg && !link) {
    const box = svg.getBoundingClientRect();
    return seek(((event.clientX - box.left) / box.width) * length());
  }
  if (!item || event.target.closest("summary, button, a[href]:not([href^='#'])")) return;
  seek(Number(item.dataset.at));
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -STEP_SECONDS, ArrowRight: STEP_SECONDS }[event.key];
  if (step && event.target.closest("#play")) seek(now + step);
});

// Media events do not bubble, but can be captured.
for (const name of ["play", "pause", "ended"]) {
  document.addEventListener(name, (event) => { if (event.target === player()) showPlaying(); }, true);
}
document.addEventListener("timeupdate", (event) => {
  if (event.target === player()) show(event.target.currentTime + offset());
}, true);
document.addEventListener("htmx:afterSwap", () => {
  setUpPlayer();
  if (now) show(now);
});

setUpPlayer();
showTarget();
