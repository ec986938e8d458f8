// What the user has set, by viewer key, kept while the page's tab lives: a rerun, a new slice or a visit to another
// page of the app finds it as it was left.

const remembered = new Map();

class Settings {
  constructor() {
    this.subject = null;
    this.views = [newView()];
    this.given = new Map(); // what Python last gave: a new given value wins over what the user set
    this.values = new Map();
    this.outlines = true;
    this.invert = false;
    this.smooth = true;
    this.heat = true;
    this.contour = false; // heat as lines, which leave the picture free, instead of as colour over it
    this.windowing = false; // dragging sets the window instead of moving the picture
    this.swipe = null; // the place of the divider, a share of the panel's width
  }

  static of(key) {
    if (!remembered.has(key)) remembered.set(key, new Settings());
    return remembered.get(key);
  }

  // Python's values for this data. A setting follows Python only when Python's own value changes.
  give(name, value) {
    const text = JSON.stringify(value);
    if (this.given.get(name) === text) return;
    this.given.set(name, text);
    this.values.set(name, value);
  }

  get(name) {
    return this.values.get(name);
  }

  set(name, value) {
    this.values.set(name, value);
  }

  // A layer's own opacity until the user has moved the slider that all of its kind share.
  opacityOf(meta) {
    const name = meta.kind === "heat" ? "heat.opacity" : "overlay.opacity";
    const touched = JSON.stringify(this.get(name)) !== this.given.get(name);
    return touched ? this.get(name) : meta.opacity;
  }

  // Signed maps keep their diverging colours; the choice of map is for the others.
  colormapOf(meta) {
    return meta.signed ? meta.colormap : this.get("heat.colormap");
  }

  restore() {
    this.views = this.views.map(newView);
    for (const [name, text] of this.given) this.values.set(name, JSON.parse(text));
    Object.assign(this, {
      outlines: true, invert: false, smooth: true, heat: true, contour: false, windowing: false, swipe: null,
    });
  }
}

// The names of settings: windows by kind and layer name, heat and overlays one for all.
const windowName = (layer) => `window.${layer.kind}.${layer.name}`;
const hasWindow = (layer) => layer.kind === "grey" || layer.kind === "hu";

function giveDefaults(settings, header) {
  const layers = header.panels.flatMap((panel) => panel.layers);
  for (const layer of layers.filter(hasWindow).reverse()) settings.give(windowName(layer), layer.window);
  const heat = layers.find((layer) => layer.kind === "heat");
  if (heat) {
    settings.give("heat.opacity", heat.opacity);
    settings.give("heat.threshold", heat.threshold);
    const plain = layers.find((layer) => layer.kind === "heat" && !layer.signed) || heat;
    settings.give("heat.colormap", plain.colormap);
  }
  const overlay = overlays(header).find((layer) => layer.kind !== "heat");
  if (overlay) settings.give("overlay.opacity", overlay.opacity);
  if (settings.subject !== header.subject) {
    settings.views = settings.views.map(newView);
    settings.subject = header.subject;
  }
  const count = header.link ? 1 : header.panels.length;
  settings.views = Array.from({ length: count }, (_, i) => settings.views[i] || newView());
}

function overlays(header) {
  return header.panels.flatMap((panel) => panel.layers.slice(1));
}
