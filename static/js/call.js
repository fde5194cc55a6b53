// One clock for a call's page: the recording (where there is one), the strip, the transcript and the timeline follow each other.
// Everything with a moment carries it as data-at, in seconds of that clock (see calls/strip.py).

let now = 0;

const strip = () => document.getElementById("strip");
const player = () => document.querySelector("main audio");
const length = () => Number(strip()?.dataset.seconds ?? 0);
/** Seconds of the clock at which the recording begins. */
const offset = () => Number(player()?.dataset.begins ?? 0);

function shown(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Show a moment everywhere. */
function show(seconds) {
  now = Math.max(0, seconds);
  const cursor = strip()?.querySelector(".cursor");
  if (!cursor) return;
  const x = String(Math.min(1000, (now / length()) * 1000));
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  document.getElementById("clock").textContent = `${shown(now)} / ${shown(length())}`;
  for (const list of document.querySelectorAll("#call-live .chat, #call-live .timeline, #call-live .waterfall tbody")) {
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

document.addEventListener("click", (event) => {
  const svg = event.target.closest("#strip svg");
  const link = event.target.closest("#call-live a[href^='#']");
  const item = event.target.closest("#call-live [data-at]");
  if (svg && !link) {
    const box = svg.getBoundingClientRect();
    return seek(((event.clientX - box.left) / box.width) * length());
  }
  if (!item || event.target.closest("summary, button, a[href]:not([href^='#'])")) return;
  seek(Number(item.dataset.at));
});

// Media events do not bubble; they can be caught on the way down.
document.addEventListener("timeupdate", (event) => {
  if (event.target === player()) show(event.target.currentTime + offset());
}, true);
document.addEventListener("htmx:afterSwap", () => { if (now) show(now); });

const target = document.getElementById(location.hash.slice(1));
if (target?.dataset.at) seek(Number(target.dataset.at));
