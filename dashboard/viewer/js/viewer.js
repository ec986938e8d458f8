// Puts the parts together: takes data from Python, decodes it, then replaces what is shown in one stroke.

const viewers = new WeakMap();

class Viewer {
  constructor(root) {
    this.root = root;
    this.panels = [];
    this.rasters = new Map(); // decoded rasters by digest: what did not change is not decoded again
    this.cursor = null;
    this.digest = "";
    this.asked = 0;
    this.send = () => {};
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Image viewer");
    this.toolbar = new Toolbar(this);
    this.grid = element("div", "grid");
    this.stack = new StackStrip(this);
    this.message = element("p", "message");
    this.message.hidden = true;
    root.append(this.toolbar.root, this.message, this.grid, this.stack.root);
    root.addEventListener("keydown", (event) => this.onKey(event));
    this.observer = new ResizeObserver(() => this.changed());
  }

  async update(bytes, send) {
    this.send = send;
    this.observer.observe(this.grid); // again after a visit to another page has ended it
    const asked = ++this.asked;
    let incoming;
    try {
      incoming = readHeader(bytes);
      if (incoming.header.digest === this.digest) {
        this.stack.answered();
        return;
      }
      const decoded = await this.decode(incoming);
      if (asked !== this.asked) return; // newer data came while this was being decoded
      this.show(incoming.header, decoded);
    } catch (error) {
      console.error("viewer:", error);
      this.fail("This picture could not be shown: its data came damaged. Reload the page to try again.");
    }
  }

  async decode({ header, blobs }) {
    const rasters = new Map();
    const all = header.panels.flatMap((panel) => panel.layers.map((layer) => layer.raster));
    await Promise.all(
      all.map(async (meta) => {
        if (rasters.has(meta.digest)) return;
        rasters.set(meta.digest, null);
        rasters.set(meta.digest, this.rasters.get(meta.digest) || (await decodeRaster(meta, blobs)));
      }),
    );
    this.rasters = rasters;
    return header.panels.map((panel) => {
      const base = rasters.get(panel.layers[0].raster.digest);
      return panel.layers.map((meta) => decodedLayer(meta, rasters.get(meta.raster.digest), base));
    });
  }

  show(header, decoded) {
    this.header = header;
    this.digest = header.digest;
    this.settings = Settings.of(header.key);
    giveDefaults(this.settings, header);
    const style = getComputedStyle(this.root);
    this.font = style.fontFamily || "sans-serif";
    this.accent = style.getPropertyValue("--st-primary-color") || "#8274f5";
    while (this.panels.length < header.panels.length) this.panels.push(new PanelView(this, this.panels.length));
    this.panels.length = header.panels.length;
    this.panels.forEach((panel, index) => panel.show(header.panels[index], decoded[index]));
    this.grid.style.setProperty("--columns", Math.min(header.columns, this.panels.length));
    this.grid.style.setProperty("--height", `${header.height}px`);
    const roots = this.panels.map((panel) => panel.root);
    if (roots.length !== this.grid.childElementCount) this.grid.replaceChildren(...roots);
    if (!this.panels.includes(this.active)) this.active = this.panels[0];
    this.message.hidden = true;
    this.grid.hidden = false;
    this.toolbar.show(header);
    this.stack.show(header.stack);
    this.draw();
    this.root.dataset.ready = header.digest;
  }

  fail(sentence) {
    this.message.textContent = sentence;
    this.message.hidden = false;
    this.grid.hidden = true;
    this.stack.root.hidden = true;
    this.digest = "";
  }

  // Asks for one drawing at the next frame, however many changes come before it.
  changed() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.header) return;
    this.panels.forEach((panel) => panel.draw());
    this.toolbar.refresh();
    this.root.dataset.zoom = this.active.view.zoom.toFixed(4);
  }

  activate(panel) {
    if (this.active === panel) return;
    this.active = panel;
    this.toolbar.refresh();
  }

  pointAt(panel, at) {
    // Placed anew: the view may have moved since the last drawing.
    const place = panel && placement(panel.view, panel.picture, panel.box);
    const shares = place && toShares(place, at.x, at.y);
    this.cursor = toPixel(shares, 1, 1) ? { panel, ...shares } : null;
    this.changed();
  }

  // The cursor as a panel sees it: panels that are not linked see only their own.
  cursorFor(panel) {
    return this.cursor && (this.header.link || this.cursor.panel === panel) ? this.cursor : null;
  }

  onKey(event) {
    if (!this.header || event.target.closest("input, select")) return;
    if (!pressKey(this, event)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  }

  zoomBy(factor) {
    const { active, cursor } = this;
    const here = cursor && cursor.panel === active;
    const x = here ? active.place.left + cursor.u * active.place.width : active.box.width / 2;
    const y = here ? active.place.top + cursor.v * active.place.height : active.box.height / 2;
    active.view = zoomAbout(active.view, active.picture, active.box, x, y, factor);
    this.changed();
  }

  panBy(dx, dy) {
    const { active } = this;
    active.view = panBy(active.view, active.picture, active.box, dx, dy);
    this.changed();
  }

  fit() {
    if (!this.settings) return;
    this.settings.views = this.settings.views.map(newView);
    this.changed();
  }

  reset() {
    this.settings.restore();
    this.changed();
  }

  toggle(name) {
    const { settings } = this;
    if (name === "swipe") settings.swipe = settings.swipe === null ? 0.5 : null;
    else settings[name] = !settings[name];
    this.changed();
  }

  windowedLayer(panel = this.active) {
    const own = panel.layers.find((layer) => hasWindow(layer.meta));
    return own || this.panels.flatMap((other) => other.layers).find((layer) => hasWindow(layer.meta));
  }

  activeWindow() {
    const layer = this.windowedLayer();
    return layer ? this.settings.get(windowName(layer.meta)) : [127.5, 255];
  }

  setWindow([center, width], panel = this.active) {
    const layer = this.windowedLayer(panel);
    if (layer) this.settings.set(windowName(layer.meta), [center, Math.max(1, width)]);
    this.changed();
  }

  automaticWindow() {
    const layer = this.windowedLayer();
    if (layer) this.setWindow(automaticWindow(layer.raster));
  }

  preset(index) {
    const layer = this.windowedLayer();
    if (!layer || layer.meta.kind !== "hu" || !this.header.presets[index]) return false;
    this.setWindow(this.header.presets[index].slice(1));
    return true;
  }

  windowBy(panel, dx, dy) {
    const layer = this.windowedLayer(panel);
    if (!layer) return;
    const [center, width] = this.settings.get(windowName(layer.meta));
    const speed = layer.meta.kind === "hu" ? Math.max(1, width / 300) : 0.6;
    this.setWindow([center - dy * speed, width + dx * speed], panel);
  }

  opacityBy(change) {
    const name = this.settings.get("heat.opacity") !== undefined ? "heat.opacity" : "overlay.opacity";
    if (this.settings.get(name) === undefined) return;
    this.settings.set(name, Math.min(1, Math.max(0, this.settings.get(name) + change)));
    this.changed();
  }

  step(direction) {
    this.send("step", direction);
  }

  clicked(panel, at) {
    if (!this.header.events.includes("click")) return;
    const pixel = toPixel(toShares(panel.place, at.x, at.y), panel.picture.rows, panel.picture.columns);
    if (pixel) this.send("click", { panel: panel.index, title: panel.meta.title, ...pixel });
  }

  save() {
    savePng(this);
  }

  toggleHelp(open = !this.help) {
    if (this.help) this.help.remove();
    this.help = null;
    if (!open) return;
    this.help = helpPanel(this.header);
    this.root.append(this.help);
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }
}

function decodedLayer(meta, raster, base) {
  if (meta.kind !== "heat") return { meta, raster };
  const values = heatValues(raster, meta, base.rows, base.columns);
  return { meta, values, raster: { rows: base.rows, columns: base.columns } };
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (!viewer) {
    viewer = new Viewer(root);
    viewers.set(root, viewer);
  }
  viewer.update(data, setTriggerValue);
  return () => viewer.destroy();
}
