// The voices of the chosen model in the agent editor: a click selects one, "Listen" plays a sample. The field accepts any name.

const field = document.getElementById("id_voice");
const audio = new Audio();
audio.preload = "none";

document.addEventListener("click", ({ target }) => {
  const { voice } = target.closest("[data-voice]")?.dataset ?? {};
  if (voice) {
    field.value = voice;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const listen = target.closest("[data-listen]");
  if (listen) play(listen);
});

field.addEventListener("input", () => {
  for (const button of document.querySelectorAll("[data-voice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.voice.toLowerCase() === field.value.trim().toLowerCase()));
  }
});

/** The sample of the chosen voice; the offline model has but one. */
function addressOf({ dataset: { listen } }) {
  const chosen = document.querySelector("[data-voice][aria-pressed='true']");
  return listen.includes("?") && chosen ? `${listen}&voice=${encodeURIComponent(chosen.dataset.voice)}` : listen;
}

async function play(button) {
  const status = button.nextElementSibling;
  button.disabled = true;
  status.textContent = "Loading…";
  try {
    const response = await fetch(addressOf(button));
    const isSound = response.headers.get("Content-Type") === "audio/wav";
    status.textContent = isSound || response.redirected ? "" : await response.text();
    if (isSound) {
      URL.revokeObjectURL(audio.src);
      audio.src = URL.createObjectURL(await response.blob());
      await audio.play();
    }
  } catch {
    status.textContent = "The voice cannot be played now. Try again.";
  }
  button.disabled = false;
}
