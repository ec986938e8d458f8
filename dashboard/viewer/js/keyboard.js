// Keys, while the viewer has the focus (it takes it when the pointer enters and nothing else has it).

const KEYS = [
  ["Drag, arrow keys", "move the picture"],
  ["Right drag or Shift + drag", "window: across is width, up and down is centre"],
  ["W", "let every drag set the window"],
  ["F, double click", "fit"],
  ["R", "reset everything"],
  ["I", "invert"],
  ["O", "outlines on or off"],
  ["H", "heat on or off"],
  ["C", "heat as contours, or as colour"],
  ["[ and ]", "less, more opacity"],
  ["S", "swipe between picture and overlay; drag the divider"],
  ["N", "smooth, or the pixels as they are"],
  ["P", "save as PNG"],
  ["?", "this list"],
];
const STEP_KEYS = ["\u2190 and \u2192", "previous, next; with Shift they move the picture"];
const DIGITS = ["1 to 9", "window presets"];
const ZOOM_KEYS = ["Wheel, + and \u2212", "zoom about the cursor, or the middle"];
const STACK_KEYS = [
  ["Wheel, \u2191 and \u2193", "through the series; Page up and down by ten, Home and End"],
  ["Ctrl + wheel, + and \u2212", "zoom about the cursor, or the middle"],
];
const STACK_STEPS = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
const PAN = 60; // CSS pixels a key press

// Does what a key asks for and returns whether it meant anything.
function pressKey(viewer, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const arrows = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
  const { key } = event;
  if (viewer.header.events.includes("step") && !event.shiftKey && (key === "ArrowLeft" || key === "ArrowRight")) {
    viewer.step(key === "ArrowLeft" ? -1 : 1);
    return true;
  }
  if (viewer.header.stack && !event.shiftKey && key in STACK_STEPS) {
    viewer.stack.seekBy(STACK_STEPS[key]);
    return true;
  }
  if (key in arrows) {
    if (viewer.active.view.zoom <= LEAST_ZOOM) return false; // nothing to move: let the page scroll
    viewer.panBy(...arrows[key]);
    return true;
  }
  const acts = {
    "+": () => viewer.zoomBy(1.25),
    "=": () => viewer.zoomBy(1.25),
    "-": () => viewer.zoomBy(1 / 1.25),
    0: () => viewer.fit(),
    f: () => viewer.fit(),
    r: () => viewer.reset(),
    i: () => viewer.toggle("invert"),
    o: () => viewer.toggle("outlines"),
    h: () => viewer.toggle("heat"),
    c: () => viewer.toggle("contour"),
    s: () => viewer.toggle("swipe"),
    n: () => viewer.toggle("smooth"),
    w: () => viewer.toggle("windowing"),
    p: () => viewer.save(),
    "[": () => viewer.opacityBy(-0.1),
    "]": () => viewer.opacityBy(0.1),
    "?": () => viewer.toggleHelp(),
    Escape: () => viewer.toggleHelp(false),
  };
  const act = acts[key.length === 1 ? key.toLowerCase() : key];
  if (act) act();
  else if (viewer.header.digits && /^[1-9]$/.test(key)) return viewer.preset(Number(key) - 1);
  else return false;
  return true;
}

function helpPanel({ events, stack, digits }) {
  const panel = element("div", "help");
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", "Keys and mouse");
  const list = element("dl", "keys");
  const keys = [...(stack ? STACK_KEYS : [ZOOM_KEYS]), ...(digits ? [DIGITS] : []), ...KEYS];
  if (events.includes("step")) keys.unshift(STEP_KEYS);
  for (const [key, what] of keys) {
    list.append(element("dt", "key", key), element("dd", "what", what));
  }
  panel.append(list);
  return panel;
}
