// Mouse, pen and fingers on one panel: pan, zoom, window, divider, click, cursor.

const CLICK_SLACK = 4; // CSS pixels that a click may wander
const SCROLL_PAUSE = 250; // ms: a page that is being scrolled goes on scrolling over a viewer
let lastPageScroll = 0;
document.addEventListener("wheel", (event) => {
  if (!event.composedPath().some((node) => node.classList && node.classList.contains("stage"))) {
    lastPageScroll = performance.now();
  }
}, { capture: true, passive: true });

class PointerControl {
  constructor(panel) {
    this.panel = panel;
    this.viewer = panel.viewer;
    this.pointers = new Map();
    this.drag = null;
    const on = (name, handler, options) => panel.stage.addEventListener(name, handler.bind(this), options);
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("pointerenter", this.enter);
    on("pointerleave", this.leave);
    on("wheel", this.wheel, { passive: false });
    on("dblclick", this.viewer.fit.bind(this.viewer));
    on("contextmenu", (event) => event.preventDefault());
  }

  place(event) {
    const bounds = this.panel.stage.getBoundingClientRect();
    return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
  }

  down(event) {
    if (!this.panel.layers.length) return;
    this.viewer.root.focus({ preventScroll: true });
    this.viewer.activate(this.panel);
    try {
      this.panel.stage.setPointerCapture(event.pointerId);
    } catch {
      // The pointer has gone already; the drag then ends with its last move inside the panel.
    }
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    const divider = this.panel.dividerAt();
    let kind = "pan";
    if (divider !== null && Math.abs(at.x - divider) < 12) kind = "divider";
    else if (event.button === 2 || event.shiftKey) kind = "window";
    else if (event.button === 0 && this.viewer.settings.windowing) kind = "window";
    this.drag = { kind, start: at, moved: false, button: event.button };
    if (event.button === 1) event.preventDefault();
  }

  move(event) {
    if (!this.panel.layers.length) return;
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (before && this.drag) {
      this.pointers.set(event.pointerId, at);
      if (Math.hypot(at.x - this.drag.start.x, at.y - this.drag.start.y) > CLICK_SLACK) this.drag.moved = true;
      if (this.pointers.size === 2) this.pinch(event.pointerId, before, at);
      else if (this.drag.moved) this.dragBy(at, at.x - before.x, at.y - before.y);
    }
    this.panel.stage.style.cursor = this.cursorAt(at);
    this.viewer.pointAt(this.panel, at);
  }

  cursorAt(at) {
    const divider = this.panel.dividerAt();
    if (this.drag && this.drag.moved && this.drag.kind === "pan") return "grabbing";
    return divider !== null && Math.abs(at.x - divider) < 12 ? "ew-resize" : "crosshair";
  }

  dragBy(at, dx, dy) {
    const { panel, viewer } = this;
    if (this.drag.kind === "divider") viewer.settings.swipe = Math.min(1, Math.max(0, at.x / panel.box.width));
    else if (this.drag.kind === "window") viewer.windowBy(panel, dx, dy);
    else panel.view = panBy(panel.view, panel.picture, panel.box, dx, dy);
    viewer.changed();
  }

  pinch(id, before, at) {
    const { panel } = this;
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const factor = Math.hypot(at.x - other.x, at.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    panel.view = zoomAbout(panel.view, panel.picture, panel.box, middle.x, middle.y, factor);
    panel.view = panBy(panel.view, panel.picture, panel.box, (at.x - before.x) / 2, (at.y - before.y) / 2);
    this.drag.moved = true;
    this.viewer.changed();
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    const drag = this.drag;
    if (this.pointers.size) return;
    this.drag = null;
    if (!drag || drag.moved || drag.button !== 0 || drag.kind === "divider" || event.shiftKey || event.type === "pointercancel") return;
    this.viewer.clicked(this.panel, this.place(event));
  }

  enter() {
    const active = document.activeElement;
    // Keys work as soon as the pointer is here, unless the user is typing or choosing somewhere else.
    if (!active || active === document.body) this.viewer.root.focus({ preventScroll: true });
    this.viewer.activate(this.panel);
  }

  leave() {
    this.viewer.pointAt(null);
  }

  wheel(event) {
    const { panel } = this;
    if (!panel.layers.length || performance.now() - lastPageScroll < SCROLL_PAUSE) {
      lastPageScroll = performance.now();
      return;
    }
    const lines = event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY;
    const through = this.viewer.header.stack && !event.ctrlKey;
    // Nothing to zoom out of, or the stack's end: the page scrolls on, so a viewer never traps the wheel.
    if (through ? !this.viewer.stack.wheel(lines) : lines > 0 && panel.view.zoom <= LEAST_ZOOM) return;
    event.preventDefault();
    event.stopPropagation();
    if (through) return;
    const at = this.place(event);
    const factor = Math.exp(-Math.max(-300, Math.min(300, lines)) * 0.0022);
    panel.view = zoomAbout(panel.view, panel.picture, panel.box, at.x, at.y, factor);
    this.viewer.changed();
    this.viewer.pointAt(panel, at);
  }
}
