// Copies the text it was given last. Where the browser keeps the clipboard from pages without HTTPS, the old
// way through a text field.

const COPY = "M9 9h11v11H9zM5 15H4V4h11v1";
const DONE = "M5 13l4 4L19 7";

function draw(button, path) {
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  if (!button.firstChild) draw(button, COPY);
  button.title = data.label;
  button.setAttribute("aria-label", data.label);
  button.onclick = async () => {
    await copy(data.text);
    button.dataset.copied = "true";
    draw(button, DONE);
    setTimeout(() => {
      delete button.dataset.copied;
      draw(button, COPY);
    }, 1200);
  };
}
