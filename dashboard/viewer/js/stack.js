// A series as a stack: a strip below the pictures with a cell a slice, dragged, or gone through with the wheel.
// The next slice comes from Python. While it is on its way only the newest wish is remembered.

const WHEEL_STEP = 60; // of a wheel's or a touchpad's way
const PATIENCE = 4000; // ms: an answer that has not come by then will not come

class StackStrip {
  constructor(viewer) {
    this.viewer = viewer;
    this.root = element("div", "stack");
    this.input = element("input", "strip");
    Object.assign(this.input, { type: "range", min: 0, step: 1 });
    this.input.setAttribute("aria-label", "Slice of the series");
    this.input.addEventListener("input", () => this.seek(Number(this.input.value)));
    this.label = element("output", "place");
    this.root.append(this.input, this.label);
    this.root.hidden = true;
    this.way = 0;
    this.asked = null;
    this.wanted = null;
  }

  show(stack) {
    this.stack = stack;
    this.root.hidden = !stack;
    this.answered();
    if (!stack) return;
    this.input.max = stack.count - 1;
    this.input.style.setProperty("--cells", cells(stack.colors));
    if (this.wanted === null) this.write(stack.position);
  }

  // Python has answered, with whatever picture: a newer wish goes out now.
  answered() {
    clearTimeout(this.timer);
    this.asked = null;
    const { wanted } = this;
    this.wanted = null;
    if (wanted !== null && this.stack && wanted !== this.stack.position && wanted < this.stack.count) this.seek(wanted);
  }

  seek(position) {
    const next = Math.min(this.stack.count - 1, Math.max(0, position));
    this.write(next);
    if (this.asked !== null) {
      this.wanted = next;
      return;
    }
    if (next === this.stack.position) return;
    this.asked = next;
    this.timer = setTimeout(() => this.answered(), PATIENCE);
    this.viewer.send("seek", next);
  }

  seekBy(step) {
    this.seek((this.wanted ?? this.asked ?? this.stack.position) + step);
  }

  // Returns whether the wheel's turn was taken; at either end the page scrolls on.
  wheel(distance) {
    const at = this.wanted ?? this.asked ?? this.stack.position;
    if (distance > 0 ? at >= this.stack.count - 1 : at <= 0) return false;
    this.way += distance;
    const steps = Math.trunc(this.way / WHEEL_STEP);
    if (steps) this.seekBy(steps);
    this.way -= steps * WHEEL_STEP;
    return true;
  }

  write(position) {
    const { count, position: shown, label } = this.stack;
    this.input.value = position;
    const place = position === shown && label ? `  ${label}` : "";
    this.label.textContent = `${position + 1} / ${count}${place}`;
  }
}

// A background with a cell of its own colour for each slice.
function cells(colors) {
  if (!colors.length) return "none";
  const stops = colors.map((color, i) => `${color} ${(100 * i) / colors.length}% ${(100 * (i + 1)) / colors.length}%`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
