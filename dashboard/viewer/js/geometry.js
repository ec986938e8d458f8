// Where a picture lies on the screen. A view is {x, y, zoom}: the point of the picture (as shares of its size)
// that lies at the middle of the panel, and the zoom relative to fitting. Shares, so that linked panels of
// different sizes look at the same place.

const LEAST_ZOOM = 1;
const GREATEST_ZOOM = 40;

function newView() {
  return { x: 0.5, y: 0.5, zoom: 1 };
}

// CSS pixels for one picture pixel, and the CSS place of the picture's corner. `aspect` is row over column spacing.
function placement(view, picture, box) {
  const tall = picture.rows * picture.aspect;
  const fit = Math.min(box.width / picture.columns, box.height / tall);
  const scaleX = fit * view.zoom;
  const scaleY = fit * view.zoom * picture.aspect;
  return {
    scaleX,
    scaleY,
    left: box.width / 2 - view.x * picture.columns * scaleX,
    top: box.height / 2 - view.y * picture.rows * scaleY,
    width: picture.columns * scaleX,
    height: picture.rows * scaleY,
  };
}

// The point under a place in the panel, as shares of the picture.
function toShares(place, x, y) {
  return { u: (x - place.left) / place.width, v: (y - place.top) / place.height };
}

// The pixel under a point; null outside the picture.
function toPixel(shares, rows, columns) {
  if (!shares || shares.u < 0 || shares.v < 0 || shares.u >= 1 || shares.v >= 1) return null;
  return { row: Math.floor(shares.v * rows), column: Math.floor(shares.u * columns) };
}

// Zooms by `factor` while the point at (x, y) of the panel stays where it is.
function zoomAbout(view, picture, box, x, y, factor) {
  const zoom = Math.min(GREATEST_ZOOM, Math.max(LEAST_ZOOM, view.zoom * factor));
  const before = toShares(placement(view, picture, box), x, y);
  const after = placement({ ...view, zoom }, picture, box);
  return clampView(
    {
      x: before.u - (x - box.width / 2) / after.width,
      y: before.v - (y - box.height / 2) / after.height,
      zoom,
    },
    picture,
    box,
  );
}

function panBy(view, picture, box, dx, dy) {
  const place = placement(view, picture, box);
  return clampView({ x: view.x - dx / place.width, y: view.y - dy / place.height, zoom: view.zoom }, picture, box);
}

// A picture that fits stays in the middle; a larger one never leaves a gap at its edge.
function clampView(view, picture, box) {
  const place = placement(view, picture, box);
  const clamp = (value, shown) => (shown >= 1 ? 0.5 : Math.min(1 - shown / 2, Math.max(shown / 2, value)));
  return {
    x: clamp(view.x, box.width / place.width),
    y: clamp(view.y, box.height / place.height),
    zoom: view.zoom,
  };
}
