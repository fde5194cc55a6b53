navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  await context.resume();
  const line = context.createMediaStreamDestination();
  const silence = context.createConstantSource();
  silence.offset.value = 0;
  silence.connect(line);
  silence.start();
  window.say = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(bytes.buffer);
    source.connect(line);
    source.start();
  };
  return line.stream;
};

// When the loudspeaker was last loud. The meter's 0.3 is -42 dB, which line noise does not reach.
window.loudAt = 0;
setInterval(() => {
  if (document.querySelector("#level-out")?.value > 0.3) window.loudAt = performance.now();
}, 30);
