// Where a pointer chose something in the row of choices or on the strip, no focus stays behind: the arrow keys
// then go along the series. Who came there by the keyboard keeps the focus.
const AREA = ".st-key-predict-source, .st-key-h-panel-predict-strip";
const FIELD = "input, textarea, [contenteditable]";

function leave() {
  const focused = document.activeElement;
  if (focused && !focused.matches(`body, ${FIELD}, :focus-visible`)) focused.blur();
}

export default function () {
  const pressed = (event) => {
    // The end of a press is heard by what a figure lays over the page meanwhile, so it is waited for there.
    if (event.target.closest?.(AREA)) document.addEventListener("pointerup", () => setTimeout(leave, 50), { capture: true, once: true });
  };
  leave(); // what was pressed to get here
  document.addEventListener("pointerdown", pressed, true);
  return () => document.removeEventListener("pointerdown", pressed, true);
}
