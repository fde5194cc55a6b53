// The microphone and loudspeaker of a voice line: chosen on the page, remembered by this browser.
import { microphoneProblem, showTrouble } from "./audio.js";

/** Lists the available devices in the selects #microphone and #loudspeaker (templates/sandbox/_line.html), and configures the line. */
export function wireDevices(line) {
  if (!navigator.mediaDevices) return;
  const pickers = [
    { kind: "audioinput", select: document.getElementById("microphone"), use: (id) => line.chooseMicrophone(id) },
    { kind: "audiooutput", select: document.getElementById("loudspeaker"), use: (id) => line.chooseLoudspeaker(id) },
  ];
  if (!("setSinkId" in AudioContext.prototype)) {
    pickers.pop().select.closest(".field").hidden = true; // this browser only uses the system's default
  }
  for (const { kind, select, use } of pickers) {
    use(localStorage.getItem(kind) ?? "");
    select.addEventListener("change", () => {
      localStorage.setItem(kind, select.value);
      use(select.value).catch((error) => showTrouble(microphoneProblem(error)));
    });
  }
  const refresh = async () => {
    const devices = await navigator.mediaDevices.enumerateDevices();
    for (const { kind, select } of pickers) offer(select, devices.filter((device) => device.kind === kind), localStorage.getItem(kind));
  };
  navigator.mediaDevices.addEventListener("devicechange", refresh);
  line.options.onOpen = refresh; // browsers reveal names only to pages that may use a microphone
  refresh();
}

function offer(select, devices, chosen) {
  const named = devices.filter((device) => device.deviceId && device.deviceId !== "default");
  const options = named.map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId));
  select.replaceChildren(new Option("System default", ""), ...options);
  select.value = named.some((device) => device.deviceId === chosen) ? chosen : "";
}
