// The bar above the pictures: only what the shown layers can use.

const ICONS = {
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  windowing: "M3 19c6 0 7-14 18-14M3 5h3M18 19h3",
  invert: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  outline: "M5 8c3-4 10-5 13-1s1 11-4 12-9-1-10-4 0-5 1-7z",
  swipe: "M12 3v18M8 8l-4 4 4 4M16 8l4 4-4 4",
  smooth: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  contour: "M12 3c5 0 9 4 9 9s-4 9-9 9-9-4-9-9 4-9 9-9zM12 8c3 0 5 2 5 4s-2 4-5 4-5-2-5-4 2-4 5-4z",
  heat: "M12 3c1 4 6 6 6 11a6 6 0 0 1-12 0c0-3 2-4 3-6 1 1 2 2 2 3 1-2 2-4 1-8z",
  reset: "M4 12a8 8 0 1 0 3-6.200M4 4v5h5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  help: "M9 9a3 3 0 1 1 4 3c-1 .6-1 1-1 2M12 17.500v.500",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
};

class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.root = element("div", "toolbar");
    this.root.setAttribute("role", "toolbar");
    this.parts = "";
    this.controls = [];
  }

  // Built anew only when other controls are needed: a slider in the user's hand stays.
  show(header) {
    const layers = header.panels.flatMap((panel) => panel.layers);
    const has = (test) => layers.some(test);
    const needs = {
      steps: header.events.includes("step"),
      window: has((layer) => layer.kind === "hu") ? "hu" : has((layer) => layer.kind === "grey") ? "grey" : "",
      heat: has((layer) => layer.kind === "heat"),
      plainHeat: has((layer) => layer.kind === "heat" && !layer.signed),
      overlay: overlays(header).some((layer) => layer.kind === "mask" || layer.kind === "color"),
      outlines: header.panels.some((panel) => panel.outlines.length),
      swipe: header.panels.some((panel) => panel.layers.length > 1 || panel.outlines.length),
      presets: header.presets,
    };
    this.root.hidden = !header.toolbar;
    if (JSON.stringify(needs) !== this.parts) this.build(needs);
    this.parts = JSON.stringify(needs);
    this.refresh();
  }

  build(needs) {
    const { viewer } = this;
    const { settings } = viewer;
    const toggle = (name) => () => viewer.toggle(name);
    this.controls = [];
    const groups = [];
    if (needs.steps) {
      groups.push([
        this.button("previous", "Previous (left arrow)", () => viewer.step(-1)),
        this.button("next", "Next (right arrow)", () => viewer.step(1)),
      ]);
    }
    groups.push([
      this.button("minus", "Zoom out (-)", () => viewer.zoomBy(1 / 1.4)),
      this.zoomLabel(),
      this.button("plus", "Zoom in (+)", () => viewer.zoomBy(1.4)),
      this.button("fit", "Fit (F)", () => viewer.fit()),
    ]);
    if (needs.window) groups.push(this.windowControls(needs));
    if (needs.heat) {
      const heat = [
        this.button("heat", "Heat on or off (H)", toggle("heat"), () => settings.heat),
        this.button("contour", "Heat as contours (C)", toggle("contour"), () => settings.contour),
        this.slider("Heat", 0, 1, 0.01, "heat.opacity", percent),
        this.slider("Above", 0, 0.95, 0.01, "heat.threshold", percent),
      ];
      if (needs.plainHeat) heat.push(this.colormapChoice());
      groups.push(heat);
    }
    if (needs.overlay) groups.push([this.slider("Overlay", 0, 1, 0.01, "overlay.opacity", percent)]);
    const toggles = [
      this.button("invert", "Invert (I)", toggle("invert"), () => settings.invert),
      this.button("smooth", "Show pixels (N)", toggle("smooth"), () => !settings.smooth),
    ];
    if (needs.outlines) {
      toggles.unshift(this.button("outline", "Outlines (O)", toggle("outlines"), () => settings.outlines));
    }
    if (needs.swipe) {
      toggles.unshift(
        this.button("swipe", "Swipe between picture and overlay (S)", toggle("swipe"), () => settings.swipe !== null),
      );
    }
    groups.push(toggles, [
      this.button("reset", "Reset (R)", () => viewer.reset()),
      this.button("save", "Save as PNG (P)", () => viewer.save()),
      this.button("help", "Keys and mouse (?)", () => viewer.toggleHelp()),
    ]);
    this.root.replaceChildren(
      ...groups.map((controls) => {
        const group = element("div", "group");
        group.append(...controls);
        return group;
      }),
    );
  }

  refresh() {
    for (const control of this.controls) control();
  }

  button(icon, label, act, isOn = null) {
    const button = element("button", "tool");
    button.type = "button";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
    button.dataset.tool = icon;
    button.addEventListener("click", () => {
      act();
      this.viewer.root.focus({ preventScroll: true });
    });
    if (isOn) this.controls.push(() => button.setAttribute("aria-pressed", String(isOn())));
    return button;
  }

  zoomLabel() {
    const label = element("span", "zoom");
    label.dataset.tool = "zoom";
    this.controls.push(() => {
      label.textContent = `${Math.round(this.viewer.active.view.zoom * 100)}%`;
    });
    return label;
  }

  slider(label, least, greatest, step, name, format) {
    const { settings } = this.viewer;
    return this.range(label, least, greatest, step, {
      read: () => settings.get(name),
      write: (value) => settings.set(name, value),
      format,
    });
  }

  range(label, least, greatest, step, { read, write, format }) {
    const wrap = element("label", "slider");
    const input = element("input", "range");
    Object.assign(input, { type: "range", min: least, max: greatest, step });
    input.setAttribute("aria-label", label);
    const value = element("span", "value");
    input.addEventListener("input", () => {
      write(Number(input.value));
      this.viewer.changed();
    });
    this.controls.push(() => {
      input.value = read();
      value.textContent = format(read());
      wrap.title = `${label} ${value.textContent}`;
      const share = (Number(input.value) - Number(input.min)) / (Number(input.max) - Number(input.min));
      input.style.setProperty("--share", `${100 * share}%`);
    });
    const name = element("span", "name", label);
    name.dataset.initial = label[0];
    wrap.append(name, input, value);
    return wrap;
  }

  windowControls({ window: kind, presets }) {
    const { viewer } = this;
    const at = (index) => ({
      read: () => viewer.activeWindow()[index],
      write: (value) => viewer.setWindow(index === 0 ? [value, viewer.activeWindow()[1]] : [viewer.activeWindow()[0], value]),
      format: (value) => String(Math.round(value)).replace("-", "\u2212"),
    });
    // Grey levels are no Hounsfield units: what is set there is contrast.
    const isHu = kind === "hu";
    const name = isHu ? "Window" : "Contrast";
    const choice = element("select", "choice");
    choice.setAttribute("aria-label", name);
    const given = isHu ? presets : [["0 to 255", 127.5, 255]];
    const offers = [[name, null], ...given.map(([name, c, w]) => [name, [c, w]]), ["Automatic", "auto"]];
    choice.append(...offers.map(([name], index) => new Option(name, index)));
    choice.addEventListener("change", () => {
      const offer = offers[Number(choice.value)][1];
      if (offer === "auto") viewer.automaticWindow();
      else if (offer) viewer.setWindow(offer);
      viewer.changed();
      viewer.root.focus({ preventScroll: true });
    });
    this.controls.push(() => {
      const now = viewer.activeWindow();
      const match = offers.findIndex(([, offer]) => Array.isArray(offer) && offer[0] === now[0] && offer[1] === now[1]);
      choice.value = Math.max(0, match);
    });
    const drag = `Dragging sets the ${name.toLowerCase()} (W)`;
    const ranges = isHu
      ? [this.range("Centre", -1000, 1000, 1, at(0)), this.range("Width", 1, 4000, 1, at(1))]
      : [this.range("Level", 0, 255, 0.5, at(0)), this.range("Range", 1, 255, 1, at(1))];
    for (const range of ranges) range.classList.add("brief");
    return [
      choice,
      this.button("windowing", drag, () => viewer.toggle("windowing"), () => viewer.settings.windowing),
      ...ranges,
    ];
  }

  colormapChoice() {
    const { viewer } = this;
    const choice = element("select", "choice");
    choice.setAttribute("aria-label", "Colour map");
    choice.append(...Object.keys(COLORMAPS).map((name) => new Option(name, name)));
    choice.addEventListener("change", () => {
      viewer.settings.set("heat.colormap", choice.value);
      viewer.changed();
      viewer.root.focus({ preventScroll: true });
    });
    this.controls.push(() => {
      choice.value = viewer.settings.get("heat.colormap");
    });
    return choice;
  }
}

function percent(value) {
  return `${Math.round(value * 100)}%`;
}
