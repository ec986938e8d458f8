// One panel: head, canvas, readout. It keeps the decoded layers and draws them with the viewer's settings.

class PanelView {
  constructor(viewer, index) {
    this.viewer = viewer;
    this.index = index;
    this.layers = [];
    this.drawn = new Map(); // per layer: what its small canvas was made with, and the canvas
    this.box = { width: 0, height: 0 };
    this.root = element("figure", "panel");
    this.head = element("figcaption", "head");
    this.stage = element("div", "stage");
    this.canvas = element("canvas", "canvas");
    this.canvas.setAttribute("role", "img");
    this.readout = element("output", "readout");
    this.readout.hidden = true;
    this.stage.append(this.canvas, this.readout);
    this.root.append(this.head, this.stage);
    new PointerControl(this);
  }

  // Takes decoded data: [{meta, raster, values?}] from the bottom up.
  show(meta, layers) {
    this.meta = meta;
    this.layers = layers;
    this.drawn.clear();
    const base = layers[0].raster;
    const [rowMm, columnMm] = meta.spacing || [1, 1];
    this.picture = { rows: base.rows, columns: base.columns, aspect: rowMm / columnMm };
    const legend = [...meta.outlines, ...meta.layers.filter((layer) => layer.kind === "mask")];
    const names = [...new Map(legend.map((item) => [item.name, item.color]))];
    this.head.replaceChildren(
      element("span", "title", meta.title),
      element("span", "caption", meta.caption),
      ...names.map(([name, color]) => {
        const chip = element("span", "chip", name);
        chip.style.setProperty("--chip", color);
        return chip;
      }),
    );
    this.head.hidden = !(meta.title || meta.caption || names.length);
    this.canvas.setAttribute("aria-label", [meta.title, meta.caption].filter(Boolean).join(": ") || "picture");
  }

  // The view as this panel can show it: a shared one may reach beyond a picture of another shape.
  get view() {
    const views = this.viewer.settings.views;
    const wanted = views[Math.min(this.index, views.length - 1)];
    return this.box.width ? clampView(wanted, this.picture, this.box) : wanted;
  }

  set view(view) {
    const views = this.viewer.settings.views;
    views[Math.min(this.index, views.length - 1)] = view;
  }

  measure() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    if (!width || !height) return false;
    this.box = { width, height };
    const [deviceWidth, deviceHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== deviceWidth || this.canvas.height !== deviceHeight) {
      this.canvas.width = deviceWidth;
      this.canvas.height = deviceHeight;
    }
    this.ratio = ratio;
    return true;
  }

  draw() {
    if (!this.layers.length || !this.measure()) return;
    const { settings } = this.viewer;
    const context = this.canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.box.width, this.box.height);
    const place = placement(this.view, this.picture, this.box);
    this.place = place;
    this.stage.style.touchAction = this.view.zoom > LEAST_ZOOM ? "none" : "pan-y"; // a finger scrolls past, or pans
    this.drawLayer(context, this.layers[0], place, 1);
    context.save();
    const divider = this.dividerAt();
    if (divider !== null) {
      context.beginPath();
      context.rect(divider, 0, this.box.width - divider, this.box.height);
      context.clip();
    }
    for (const layer of this.layers.slice(1)) this.drawLayer(context, layer, place, this.opacityOf(layer.meta));
    if (settings.outlines) drawOutlines(context, this.meta.outlines, place, this.picture);
    context.restore();
    this.drawNotes(context, place, divider);
    this.updateReadout();
  }

  drawLayer(context, layer, place, opacity) {
    if (opacity <= 0) return;
    const scale = (place.scaleX * this.ratio * this.picture.columns) / layer.raster.columns;
    context.imageSmoothingEnabled = this.viewer.settings.smooth || scale < 1;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = opacity;
    context.drawImage(this.canvasOf(layer), place.left, place.top, place.width, place.height);
    context.globalAlpha = 1;
  }

  opacityOf(meta) {
    const { settings } = this.viewer;
    if (meta.kind === "grey" || meta.kind === "hu") return 1;
    if (meta.kind !== "heat") return settings.opacityOf(meta);
    if (!settings.heat) return 0;
    return Math.min(1, settings.opacityOf(meta) * (settings.contour ? 1.6 : 1)); // thin lines need more to be seen
  }

  // The layer's own pixels, made anew only when a setting that they depend on has changed.
  canvasOf(layer) {
    const { settings } = this.viewer;
    const { meta, raster } = layer;
    const colormap = meta.kind === "heat" ? settings.colormapOf(meta) : "";
    const parts = {
      grey: () => [...settings.get(windowName(meta)), settings.invert],
      hu: () => [...settings.get(windowName(meta)), settings.invert],
      color: () => [settings.invert],
      mask: () => [meta.color],
      heat: () => [colormap, settings.get("heat.threshold"), settings.contour],
    }[meta.kind]();
    const made = this.drawn.get(layer);
    const wanted = parts.join();
    if (made && made.wanted === wanted) return made.canvas;
    const canvas = {
      grey: () => windowedCanvas(raster, ...parts),
      hu: () => windowedCanvas(raster, ...parts),
      color: () => colorCanvas(raster, ...parts),
      mask: () => maskCanvas(raster, ...parts),
      heat: () => heatCanvas(layer.values, raster.rows, raster.columns, meta, ...parts),
    }[meta.kind]();
    this.drawn.set(layer, { wanted, canvas });
    return canvas;
  }

  drawNotes(context, place, divider) {
    const { settings } = this.viewer;
    const cursor = this.viewer.cursorFor(this);
    context.font = `500 11px ${this.viewer.font}`;
    if (cursor && cursor.panel !== this) {
      drawCross(context, this.box, place.left + cursor.u * place.width, place.top + cursor.v * place.height);
    }
    if (this.meta.marks) drawMarks(context, this.box, this.meta.marks, this.showsHeat);
    if (this.meta.spacing) drawScaleBar(context, this.box, this.meta.spacing[1] / place.scaleX);
    const heat = this.layers.find((layer) => layer.meta.kind === "heat");
    if (this.showsHeat) drawColorBar(context, this.box, heat.meta, settings.colormapOf(heat.meta));
    const base = this.layers[0].meta;
    if (base.kind === "hu" && this.box.width > 240) {
      const [center, width] = settings.get(windowName(base));
      const note = `C ${Math.round(center)}  W ${Math.round(width)}`;
      drawText(context, note, this.box.width - 10, this.box.height - 10, { align: "right" });
    }
    if (divider !== null) drawDivider(context, this.box, divider, this.viewer.accent);
  }

  get showsHeat() {
    return this.viewer.settings.heat && this.layers.some((layer) => layer.meta.kind === "heat");
  }

  dividerAt() {
    const { swipe } = this.viewer.settings;
    return swipe !== null && this.canSwipe ? Math.round(swipe * this.box.width) : null;
  }

  get canSwipe() {
    return this.layers.length > 1 || (this.meta && this.meta.outlines.length > 0);
  }

  updateReadout() {
    const cursor = this.viewer.cursorFor(this);
    const pixel = toPixel(cursor, this.picture.rows, this.picture.columns);
    this.readout.hidden = !pixel;
    if (!pixel) return;
    const parts = [`row ${pixel.row}  col ${pixel.column}`];
    if (this.meta.spacing && this.box.width > 300) {
      const [rowMm, columnMm] = this.meta.spacing;
      parts.push(`${(pixel.column * columnMm).toFixed(1)}, ${(pixel.row * rowMm).toFixed(1)} mm`);
    }
    for (const layer of this.layers) {
      const text = valueText(layer, cursor);
      if (text) parts.push(text);
    }
    this.readout.textContent = parts.join("   ");
  }
}

// What a layer holds under the cursor, exactly as it was sent.
function valueText(layer, cursor) {
  const { meta, raster } = layer;
  const pixel = toPixel(cursor, raster.rows, raster.columns);
  const at = pixel.row * raster.columns + pixel.column;
  switch (meta.kind) {
    case "hu":
      return `${raster.data[at]} HU`.replace("-", "\u2212");
    case "grey":
      return `grey ${raster.data[at]}`;
    case "mask":
      return raster.data[at] ? meta.name : "";
    case "color":
      return `rgb ${[...raster.data.slice(at * raster.channels, at * raster.channels + 3)].join(" ")}`;
    default: {
      const value = layer.values[at];
      return Number.isNaN(value) ? "" : `${meta.name} ${value.toPrecision(4)}`.replace("-", "\u2212");
    }
  }
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  if (text) made.textContent = text;
  return made;
}
