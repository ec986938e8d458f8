// Tells when a training is over: in the tab's title always, and by the browser's notification where asked for.
// Nothing leaves the machine: the notification is made here, of what the page was told.

const WANTED = "hilum.notify";
const WORDS = { finished: "is done", failed: "has failed", paused: "is paused", lost: "was ended from outside" };
const active = new Map(); // job -> name, as this tab last saw them run or wait
let mark = ""; // what stands before the title until someone looks

const known = typeof Notification !== "undefined";

function wanted() {
  return known && Notification.permission === "granted" && localStorage.getItem(WANTED) === "true";
}

function showTitle() {
  const title = document.title.replace(/^● .*? · /, "");
  const shown = mark ? `● ${mark} · ${title}` : title;
  if (document.title !== shown) document.title = shown;
}

function tell(name, status) {
  mark = `${name} ${WORDS[status]}`;
  showTitle();
  if (wanted()) new Notification("Hilum", { body: mark, tag: name });
}

function look() {
  mark = "";
  showTitle();
}

function follow(jobs) {
  for (const { id, name, status } of jobs) {
    if (status === "running" || status === "queued") {
      active.set(id, name);
    } else if (active.delete(id) && status in WORDS) {
      tell(name, status);
    }
  }
}

function draw(button) {
  const denied = known && Notification.permission === "denied";
  button.hidden = !known;
  button.disabled = denied;
  button.setAttribute("aria-pressed", String(wanted()));
  button.textContent = wanted() ? "Notifying" : "Notify me";
  button.title = denied
    ? "The browser does not allow notifications for this page; the tab's title tells when a run is over."
    : "The browser tells when a run is over, while this page is open. The tab's title does so in any case.";
}

async function press(button) {
  const on = !wanted();
  if (on && Notification.permission !== "granted") await Notification.requestPermission();
  localStorage.setItem(WANTED, String(on));
  draw(button);
}

let listening = false;
function listen() {
  if (listening) return;
  listening = true;
  // Streamlit writes the title anew when the page runs.
  new MutationObserver(showTitle).observe(document.querySelector("title"), { childList: true });
  window.addEventListener("pointerdown", look);
  window.addEventListener("keydown", look);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
}

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = () => press(button);
  listen();
  draw(button);
  follow(data.jobs);
}
