// The voices of the chosen model in the agent editor: a press chooses one, "Listen" plays a sample. The field takes any name.

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

async function play(button) {
  button.setAttribute("aria-busy", "true");
  if (!audio.src) audio.src = button.dataset.listen;
  audio.currentTime = 0;
  button.nextElementSibling.textContent = "";
  try {
    await audio.play();
  } catch {
    audio.removeAttribute("src");
    button.nextElementSibling.textContent = "The voice cannot be played right now. Try again.";
  }
  button.removeAttribute("aria-busy");
}
