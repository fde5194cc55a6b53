// A copy button on every code sample.

for (const code of document.querySelectorAll("pre[data-copyable]")) {
  const frame = document.createElement("div");
  frame.className = "copyable";
  code.replaceWith(frame);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => copy(code, button));
  frame.append(code, button);
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code); // without https there is no clipboard; the text is selected
    button.textContent = "Press Ctrl-C";
  }
}
