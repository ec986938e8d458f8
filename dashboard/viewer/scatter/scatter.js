// A scatter on a canvas: drag draws a line around points, the wheel zooms, Shift and drag moves.

const scatters = new WeakMap();
const NONE = 255;
const REACH = 9; // pixels from a point at which it is under the cursor
const SHOWN = 96; // pixels of the picture beside the cursor
const MARGIN = { left: 46, right: 12, top: 26, bottom: 36 };

class Scatter {
  constructor(root) {
    this.root = root;
    root.tabIndex = 0;
    root.setAttribute("role", "application");
    root.setAttribute(
      "aria-label",
      "Scatter of slices: draw around points to select them, click opens one, Escape takes the line away",
    );
    this.base = root.appendChild(document.createElement("canvas"));
    this.over = root.appendChild(document.createElement("canvas"));
    this.over.className = "over";
    this.legend = part(root, "legend");
    this.hint = part(root, "hint");
    this.tip = part(root, "tip");
    this.thumb = this.tip.appendChild(document.createElement("canvas"));
    this.words = this.tip.appendChild(document.createElement("div"));
    this.digest = "";
    this.drawn = [];
    this.over.addEventListener("pointerdown", (event) => this.onDown(event));
    this.over.addEventListener("pointermove", (event) => this.onMove(event));
    this.over.addEventListener("pointerup", (event) => this.onUp(event));
    this.over.addEventListener("pointerleave", () => this.hover(null));
    this.over.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.over.addEventListener("dblclick", () => this.reset());
    root.addEventListener("keydown", (event) => this.onKey(event));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
  }

  update(bytes, report) {
    this.report = report;
    const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const fresh = header.digest !== this.digest;
    this.header = header;
    this.lasso = header.lasso;
    if (fresh) this.load(header, bytes.slice(4 + length).buffer);
    this.root.dataset.ready = header.digest;
    this.root.style.height = `${header.height}px`;
    this.resize();
  }

  load(header, buffer) {
    const count = header.count;
    const axes = header.titles.join("|") + count;
    this.x = new Float32Array(buffer, 0, count);
    this.y = new Float32Array(buffer, 4 * count, count);
    this.numbers = header.tiles ? new Int32Array(buffer, 8 * count, count) : null;
    const at = (header.tiles ? 12 : 8) * count;
    this.colors = new Uint8Array(buffer, at, count);
    this.sizes = header.sized ? new Uint8Array(buffer, at + count, count) : null;
    this.digest = header.digest;
    this.extent = [range(this.x), range(this.y)];
    if (this.axes !== axes) this.view = this.extent.map((ends) => [...ends]);
    this.axes = axes;
    this.hovered = null;
    this.groups = groups(this.colors);
    this.legend.replaceChildren(...legend(header));
    this.hint.textContent = `Draw around ${header.unit} to select them · wheel zooms · Shift-drag moves`;
  }

  resize() {
    if (!this.header) return;
    const width = this.root.clientWidth;
    if (!width) return;
    const ratio = globalThis.devicePixelRatio || 1;
    const key = `${width} ${this.header.height} ${ratio}`;
    if (key !== this.size) {
      this.size = key;
      for (const canvas of [this.base, this.over]) {
        canvas.width = width * ratio;
        canvas.height = this.header.height * ratio;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${this.header.height}px`;
      }
    }
    const margin = this.header.plain ? { left: 8, right: 8, top: 26, bottom: 22 } : MARGIN;
    this.box = {
      left: margin.left,
      top: margin.top,
      width: Math.max(10, width - margin.left - margin.right),
      height: this.header.height - margin.top - margin.bottom,
    };
    this.draw();
  }

  toScreen(x, y) {
    const [[x0, x1], [y0, y1]] = this.view;
    const { left, top, width, height } = this.box;
    return [left + ((x - x0) / (x1 - x0)) * width, top + ((y1 - y) / (y1 - y0)) * height];
  }

  toData(column, row) {
    const [[x0, x1], [y0, y1]] = this.view;
    const { left, top, width, height } = this.box;
    return [x0 + ((column - left) / width) * (x1 - x0), y1 - ((row - top) / height) * (y1 - y0)];
  }

  draw() {
    const ratio = this.base.width / this.root.clientWidth;
    const pen = this.base.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.root.clientWidth, this.header.height);
    if (!this.header.plain) this.drawAxes(pen);
    const { left, top, width, height } = this.box;
    pen.save();
    pen.beginPath();
    pen.rect(left - 4, top - 4, width + 8, height + 8);
    pen.clip();
    const count = this.x.length;
    const radius = count > 6000 ? 1.4 : count > 1200 ? 2 : 2.5;
    this.screen = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      const [column, row] = this.toScreen(this.x[i], this.y[i]);
      this.screen[2 * i] = column;
      this.screen[2 * i + 1] = row;
    }
    pen.globalAlpha = this.sizes ? 0.62 : 0.78;
    for (const [color, members] of this.groups) {
      pen.fillStyle = color === NONE ? "#7a8494" : this.header.palette[color];
      if (this.sizes) this.drawDiscs(pen, members);
      else this.drawDots(pen, members, radius);
    }
    pen.restore();
    this.drawOver();
  }

  drawDots(pen, members, radius) {
    for (const i of members) {
      pen.fillRect(this.screen[2 * i] - radius, this.screen[2 * i + 1] - radius, 2 * radius, 2 * radius);
    }
  }

  drawDiscs(pen, members) {
    for (const i of members) {
      pen.beginPath();
      pen.arc(this.screen[2 * i], this.screen[2 * i + 1], this.sizes[i], 0, 2 * Math.PI);
      pen.fill();
    }
  }

  drawAxes(pen) {
    const style = getComputedStyle(this.root);
    const { left, top, width, height } = this.box;
    pen.font = `11px ${style.fontFamily}`;
    pen.strokeStyle = style.getPropertyValue("--st-border-color");
    pen.fillStyle = style.color;
    pen.globalAlpha = 0.72;
    pen.lineWidth = 0.6;
    pen.textAlign = "center";
    for (const value of ticks(this.view[0], Math.max(2, width / 62))) {
      const [column] = this.toScreen(value, 0);
      line(pen, column, top, column, top + height);
      pen.fillText(number(value), column, top + height + 14);
    }
    pen.fillText(this.header.titles[0], left + width / 2, top + height + 29);
    pen.textAlign = "right";
    for (const value of ticks(this.view[1], Math.max(2, height / 55))) {
      const [, row] = this.toScreen(0, value);
      line(pen, left, row, left + width, row);
      pen.fillText(number(value), left - 6, row + 4);
    }
    pen.textAlign = "left";
    pen.fillText(this.header.titles[1], 6, 14);
    pen.globalAlpha = 1;
    this.hint.style.display = "none";
  }

  drawOver() {
    const ratio = this.over.width / this.root.clientWidth;
    const pen = this.over.getContext("2d");
    const accent = getComputedStyle(this.root).getPropertyValue("--st-primary-color");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.root.clientWidth, this.header.height);
    const path = this.path ?? this.lasso.map(([x, y]) => this.toScreen(x, y));
    if (path.length > 1) {
      pen.beginPath();
      path.forEach(([column, row], i) => (i ? pen.lineTo(column, row) : pen.moveTo(column, row)));
      pen.closePath();
      pen.globalAlpha = 0.14;
      pen.fillStyle = accent;
      pen.fill();
      pen.globalAlpha = 1;
      pen.lineWidth = 1.5;
      pen.strokeStyle = accent;
      pen.stroke();
    }
    for (const [i, color] of [
      [this.header.selected, accent],
      [this.hovered, getComputedStyle(this.root).color],
    ]) {
      if (i === null || i === undefined || i >= this.x.length) continue;
      pen.beginPath();
      pen.lineWidth = 2;
      pen.strokeStyle = color;
      pen.arc(this.screen[2 * i], this.screen[2 * i + 1], this.sizes ? this.sizes[i] + 2 : 6, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  at(event) {
    const bounds = this.over.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  nearest([column, row]) {
    let best = null;
    let least = Infinity;
    for (let i = 0; i < this.x.length; i++) {
      const reach = this.sizes ? Math.max(REACH, this.sizes[i]) : REACH;
      const away = (this.screen[2 * i] - column) ** 2 + (this.screen[2 * i + 1] - row) ** 2;
      if (away <= reach * reach && away < least) {
        best = i;
        least = away;
      }
    }
    return best;
  }

  onDown(event) {
    if (event.button > 1) return;
    this.root.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.start = this.at(event);
    this.moving = event.shiftKey || event.button === 1;
    this.from = this.view.map((ends) => [...ends]);
    this.path = this.moving ? null : [this.start];
  }

  onMove(event) {
    const here = this.at(event);
    if (!this.start) {
      this.hover(this.nearest(here), here);
    } else if (this.moving) {
      const shift = [
        ((here[0] - this.start[0]) / this.box.width) * (this.from[0][1] - this.from[0][0]),
        (-(here[1] - this.start[1]) / this.box.height) * (this.from[1][1] - this.from[1][0]),
      ];
      this.view = this.from.map((ends, axis) => ends.map((end) => end - shift[axis]));
      this.draw();
    } else {
      const last = this.path[this.path.length - 1];
      if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= 4) this.path.push(here);
      this.hover(null);
    }
  }

  onUp(event) {
    if (!this.start) return;
    const path = this.path;
    const [column, row] = this.start;
    this.start = this.path = null;
    if (this.moving) return;
    const far = path.some((at) => Math.hypot(at[0] - column, at[1] - row) > 8);
    if (far && path.length > 2) {
      this.lasso = thinned(path, 120).map(([x, y]) => this.toData(x, y));
      this.report("lasso", this.lasso);
    } else {
      const picked = this.nearest(this.at(event));
      if (picked !== null) {
        this.header.selected = picked; // at once: the server's answer comes later
        this.report("pick", picked);
      }
    }
    this.drawOver();
  }

  onWheel(event) {
    event.preventDefault();
    const center = this.toData(...this.at(event));
    const factor = Math.exp(Math.sign(event.deltaY) * 0.2);
    this.view = this.view.map((ends, axis) =>
      ends.map((end) => center[axis] + (end - center[axis]) * factor),
    );
    this.draw();
  }

  onKey(event) {
    if (event.key === "Escape" && this.lasso.length) {
      this.lasso = [];
      this.report("lasso", []);
      this.drawOver();
    } else if (event.key === "0" || event.key === "Home") {
      this.reset();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  reset() {
    this.view = this.extent.map((ends) => [...ends]);
    this.draw();
  }

  hover(i, here) {
    if (i === null) this.tip.style.display = "none";
    else {
      this.describe(i);
      this.tip.style.display = "block";
      const { offsetWidth: wide, offsetHeight: high } = this.tip;
      const right = here[0] + 14 + wide > this.root.clientWidth;
      this.tip.style.left = `${right ? here[0] - wide - 14 : here[0] + 14}px`;
      this.tip.style.top = `${Math.max(2, Math.min(here[1] - high / 2, this.header.height - high - 2))}px`;
    }
    if (i !== this.hovered) {
      this.hovered = i;
      this.drawOver();
    }
  }

  describe(i) {
    const { tiles, plain, titles, palette, legend: entries } = this.header;
    const tile = tiles ? this.numbers[i] : -1;
    const sheet = tile >= 0 && globalThis.hilumSheets?.get(tiles.name);
    this.thumb.style.display = sheet ? "block" : "none";
    if (sheet) {
      this.thumb.width = this.thumb.height = SHOWN;
      const pen = this.thumb.getContext("2d");
      const [left, top] = [(tile % tiles.columns) * tiles.tile, Math.floor(tile / tiles.columns) * tiles.tile];
      pen.imageSmoothingQuality = "high";
      pen.drawImage(sheet, left, top, tiles.tile, tiles.tile, 0, 0, SHOWN, SHOWN);
    }
    const own = entries.find(([, color]) => color === palette[this.colors[i]]);
    const places = plain ? [] : [`${titles[0]} ${number(this.x[i])}`, `${titles[1]} ${number(this.y[i])}`];
    this.words.replaceChildren(
      ...[own?.[0], ...places].filter(Boolean).map((words) => {
        const each = document.createElement("div");
        each.textContent = words;
        return each;
      }),
    );
  }
}

function part(root, name) {
  const element = document.createElement("div");
  element.className = name;
  return root.appendChild(element);
}

function legend(header) {
  if (header.ramp) {
    const whole = document.createElement("span");
    const bar = document.createElement("i");
    bar.className = "ramp";
    bar.style.background = `linear-gradient(90deg, ${header.palette.filter((_, i) => i % 20 === 0).join(",")})`;
    whole.append(header.ramp[0], bar, header.ramp[1]);
    return [whole];
  }
  return header.legend.map(([label, color]) => {
    const entry = document.createElement("span");
    const dot = document.createElement("i");
    dot.style.background = color;
    entry.append(dot, label);
    return entry;
  });
}

function groups(colors) {
  const found = new Map();
  for (let i = 0; i < colors.length; i++) {
    if (!found.has(colors[i])) found.set(colors[i], []);
    found.get(colors[i]).push(i);
  }
  // Greys first, then the greatest group: the rare lies on top.
  return [...found].sort((a, b) => (b[0] === NONE) - (a[0] === NONE) || b[1].length - a[1].length);
}

function range(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
  const edge = (high - low) * 0.04;
  return [low - edge, high + edge];
}

function ticks([low, high], wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}

function number(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number(value.toFixed(digits)).toLocaleString("en-US");
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function thinned(path, most) {
  const step = Math.max(1, path.length / most);
  const kept = [];
  for (let i = 0; i < path.length; i += step) kept.push(path[Math.floor(i)]);
  return kept;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".scatter");
  let own = scatters.get(root);
  if (!own) {
    own = new Scatter(root);
    scatters.set(root, own);
  }
  try {
    own.update(data, (name, value) => setTriggerValue(name, value));
  } catch (error) {
    console.error(error);
    root.textContent = "This scatter could not be shown.";
  }
  return () => own.observer.disconnect();
}
