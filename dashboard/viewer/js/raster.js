// From numbers to pixels: one small canvas a layer, redrawn only when its settings change.

const LUTS = Object.fromEntries(
  Object.entries(COLORMAPS).map(([name, text]) => [name, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]),
);

function pixelCanvas(rows, columns, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  paint(new Uint32Array(image.data.buffer), image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

// Grey or HU through a window; a table of all 65,536 values makes one change cost about a millisecond.
function windowedCanvas(raster, center, width, invert) {
  const low = center - width / 2;
  const signed = raster.data instanceof Int16Array;
  const table = new Uint32Array(signed ? 65536 : 256);
  for (let i = 0; i < table.length; i++) {
    const value = signed ? (i << 16) >> 16 : i;
    let grey = Math.round(Math.min(1, Math.max(0, (value - low) / width)) * 255);
    if (invert) grey = 255 - grey;
    table[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return pixelCanvas(raster.rows, raster.columns, (pixels) => {
    const mask = signed ? 0xffff : 0xff;
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[raster.data[i] & mask];
  });
}

function colorCanvas(raster, invert) {
  const { data, channels } = raster;
  const flip = invert ? 255 : 0;
  return pixelCanvas(raster.rows, raster.columns, (_, bytes) => {
    for (let i = 0, from = 0; i < bytes.length; i += 4, from += channels) {
      bytes[i] = data[from] ^ flip;
      bytes[i + 1] = data[from + 1] ^ flip;
      bytes[i + 2] = data[from + 2] ^ flip;
      bytes[i + 3] = channels === 4 ? data[from + 3] : 255;
    }
  });
}

function maskCanvas(raster, color) {
  const [red, green, blue] = hexToRgb(color);
  const pixel = 0xff000000 | (blue << 16) | (green << 8) | red;
  return pixelCanvas(raster.rows, raster.columns, (pixels) => {
    for (let i = 0; i < pixels.length; i++) if (raster.data[i]) pixels[i] = pixel;
  });
}

const CONTOURS = 5; // lines from the threshold (or a fifth of the scale) to its end

// Heat below the threshold (a share of the scale; of its magnitude where signed) is transparent. As contours only the
// pixels on the border of two levels are drawn.
function heatCanvas(values, rows, columns, layer, colormap, threshold, contour) {
  const [low, high] = layer.scale;
  const lut = LUTS[colormap] || LUTS.inferno;
  const greatest = Math.max(Math.abs(low), Math.abs(high));
  const shareOf = (value) => Math.min(1, Math.max(0, (value - low) / (high - low)));
  const strengthOf = (value) => (layer.signed ? Math.min(1, Math.abs(value) / greatest) : shareOf(value));
  const shown = contour
    ? onContour(values, rows, columns, (value) => contourLevel(strengthOf(value), threshold) * (value < 0 ? -1 : 1))
    : (i) => strengthOf(values[i]) >= threshold;
  return pixelCanvas(rows, columns, (pixels, bytes) => {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (Number.isNaN(value) || !shown(i)) continue;
      const color = Math.round(shareOf(value) * 255) * 3;
      bytes[4 * i] = lut[color];
      bytes[4 * i + 1] = lut[color + 1];
      bytes[4 * i + 2] = lut[color + 2];
      // The square root keeps moderate heat visible; the picture under weak heat stays readable.
      bytes[4 * i + 3] = layer.fade && !contour ? Math.round(255 * Math.sqrt(strengthOf(value))) : 255;
    }
  });
}

// 0 below the first line, then one more beyond each.
function contourLevel(strength, threshold) {
  const first = Math.max(threshold, 1 / CONTOURS);
  return strength < first ? 0 : 1 + Math.floor(((strength - first) / (1 - first || 1)) * (CONTOURS - 1));
}

// Whether a pixel lies on the inner side of a line, two pixels wide: its level is beyond that of a neighbour.
function onContour(values, rows, columns, levelOf) {
  const levels = Int8Array.from(values, (value) => (Number.isNaN(value) ? 0 : levelOf(value)));
  const at = (row, column) =>
    levels[Math.min(rows - 1, Math.max(0, row)) * columns + Math.min(columns - 1, Math.max(0, column))];
  return (i) => {
    const [row, column, level] = [Math.floor(i / columns), i % columns, Math.abs(levels[i])];
    const least = Math.min(
      ...[-2, 2].flatMap((far) => [Math.abs(at(row + far, column)), Math.abs(at(row, column + far))]),
    );
    return level > least;
  };
}

// The window from the 1st to the 99th percentile of what is there; air outside the body would eat the range.
function automaticWindow(raster) {
  const step = Math.max(1, Math.floor(raster.data.length / 40000));
  const sample = [];
  for (let i = 0; i < raster.data.length; i += step) sample.push(raster.data[i]);
  sample.sort((a, b) => a - b);
  const low = sample[Math.floor(sample.length * 0.01)];
  const high = sample[Math.floor(sample.length * 0.99)];
  return [(low + high) / 2, Math.max(1, high - low)];
}

function hexToRgb(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}
